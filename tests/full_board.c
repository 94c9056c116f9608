/* A board on which everything is; see full_board.h. */
#include "tests/full_board.h"

#include "proto/clock.h"
#include "tests/compose.h"
#include "workers/audit/recount.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 16 /* members of the committee MANY */

static struct full_board *board; /* that is being filled */
static struct buffer events;

static unsigned this_year(int64_t now_ms)
{
    char text[DATE_TEXT + 1] = "";

    date_format(date_of_ms(now_ms), text);
    return (unsigned)atoi(text);
}

const char *full_board_text(const struct full_board *b, const char *text)
{
    static char texts[4][1024];
    static unsigned next;
    char *start = texts[next++ % 4], *out = start, *end = start + sizeof texts[0] - 32;

    while (*text && out < end) {
        if (*text != '{') {
            *out++ = *text++;
            continue;
        }
        if (text[1] == 'y' || text[1] == 'b') {
            out += sprintf(out, "%u", this_year(b->now_ms) - (text[1] == 'b'));
        } else {
            date_format(date_of_ms(b->now_ms) + atoi(text + 1), out);
            out += DATE_TEXT;
        }
        text = strchr(text, '}') + 1;
    }
    *out = '\0';
    return start;
}

void full_board_say(struct full_board *b, const char *type, const char *rest)
{
    static unsigned ids;
    char full[1280];

    snprintf(full, sizeof full, "{'type':'%s','id':'e%u','time':%lld,%s}", type, ids,
             (long long)(b->now_ms - 100000 + ids), full_board_text(b, rest));
    ids++;
    compose_text(full, &events);
}

static void say(const char *type, const char *rest)
{
    full_board_say(board, type, rest);
}

static void seat(const char *committee, const char *member, const char *from, const char *role)
{
    char rest[256];

    snprintf(rest, sizeof rest, "'committee':'%s','member':'%s','from':'%s','role':'%s'", committee,
             member, from, role);
    say("seat", rest);
}

static void ballot(const char *committee, const char *name, const char *kind, const char *closes,
                   const char *status)
{
    char rest[256];

    snprintf(rest, sizeof rest,
             "'committee':'%s','ballot':'%s','kind':'%s','closes':'%s','status':'%s','title':'On "
             "%s','opens':'{before}-01-01'",
             committee, name, kind, closes, status, name);
    say("ballot", rest);
}

static void vote(const char *committee, const char *name, const char *member, const char *more)
{
    char rest[256];

    snprintf(rest, sizeof rest, "'committee':'%s','ballot':'%s','member':'%s',%s", committee, name,
             member, more);
    say("vote", rest);
}

static void meeting(const char *name, const char *starts, const char *status)
{
    char rest[256];

    snprintf(rest, sizeof rest,
             "'committee':'MEET','meeting':'%s','starts':'%s','status':'%s','title':'In %s'", name,
             starts, status, name);
    say("meeting", rest);
}

static void say_members(void)
{
    char rest[256], name[16];

    say("member", "'member':'KE','name':'Kenya','developing':true,'groups':['africa']");
    say("member", "'member':'UG','name':'Uganda','developing':true,'groups':['africa','ldc']");
    say("member", "'member':'DE','name':'Germany','developing':false");
    say("member", "'member':'FR','developing':false");
    for (int i = 0; i < MANY; i++) {
        snprintf(rest, sizeof rest, "'member':'M%02d','name':'Land %d','developing':true", i, i);
        say("member", rest);
        snprintf(name, sizeof name, "M%02d", i);
        seat("MANY", name, "2020-01-01", "P");
    }
}

static void say_committees(void)
{
    say("committee", "'committee':'54808','reference':'ISO/TC 34','title':'Food'");
    say("committee", "'committee':'MANY','title':'Many members'");
    say("committee", "'committee':'MEET','title':'MEET'");
    /* BARE and GHOST have no notice */
    seat("54808", "KE", "2020-01-01", "P");
    seat("54808", "UG", "2020-01-01", "P");
    seat("54808", "DE", "2020-01-01", "P");
    seat("54808", "FR", "2020-01-01", "P");
    seat("54808", "FR", "2021-01-01", "O");
    seat("54808", "TZ", "2020-01-01", "P"); /* no profile */
    seat("54808", "RW", "2020-01-01", "P");
    seat("54808", "RW", "2021-01-01", "none");
    seat("54808", "BI", "{+5}", "P");
    say("seat",
        "'committee':'54808','member':'SS','from':'2020-01-01','role':'P','retracted':true");
    seat("MEET", "KE", "2020-01-01", "P");
    seat("MEET", "UG", "2020-01-01", "P");
    seat("BARE", "M00", "2020-01-01", "P");
}

static void say_ballots(void)
{
    char name[16];

    ballot("54808", "B1", "DIS", "{year}-01-01", "closed");
    ballot("54808", "B2", "FDIS", "{year}-01-01", "closed");
    ballot("54808", "B3", "DIS", "{before}-03-01", "closed");
    ballot("54808", "GONE", "DIS", "{year}-01-01", "cancelled");
    ballot("54808", "SOON", "DIS", "{+5}", "open");
    ballot("54808", "LATER", "NP", "{+60}", "open");
    ballot("MANY", "SOON", "DIS", "{+5}", "open");
    ballot("MANY", "NEXT", "DIS", "{+3}", "open");
    ballot("BARE", "SOON", "DIS", "{+4}", "open");
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "I%d", i);
        ballot("54808", name, "CIB", "{year}-01-01", "closed");
        vote("54808", name, "KE", "'position':'approve'");
        if (i >= 3)
            vote("54808", name, "UG", "'position':'approve','comments':1");
    }
}

static void say_votes(void)
{
    vote("54808", "B1", "UG", "'position':'disapprove','seat':'P'");
    vote("54808", "B1", "DE", "'position':'disapprove','seat':'P'");
    vote("54808", "B1", "FR", "'position':'abstain','seat':'O'");
    vote("54808", "B1", "TZ", "'position':'approve','seat':'P'");
    vote("54808", "B2", "DE", "'position':'approve','seat':'P'");
    vote("54808", "B2", "UG", "'position':'none','excused':true");
    vote("54808", "B2", "TZ", "'position':'approve','seat':'P'");
    say("vote", "'committee':'54808','ballot':'B2','member':'TZ','position':'approve',"
                "'retracted':true");
    vote("54808", "B3", "KE", "'position':'approve','seat':'P','comments':2");
    vote("54808", "B3", "UG", "'position':'approve','seat':'P'");
    vote("54808", "B3", "DE", "'position':'disapprove','seat':'P'");
    vote("54808", "SOON", "DE", "'position':'approve','seat':'P'");
    vote("54808", "SOON", "UG", "'position':'none','excused':true");
    vote("54808", "SOON", "TZ", "'position':'none'");
    say("vote", "'committee':'54808','ballot':'SOON','member':'KE','position':'approve',"
                "'retracted':true");
    vote("GHOST", "B1", "KE", "'position':'approve'");
    vote("GHOST", "B1", "XX", "'position':'approve'"); /* a mistake, and all that names XX */
    say("vote", "'committee':'GHOST','ballot':'B1','member':'XX','position':'approve',"
                "'retracted':true");
}

static void say_the_rest(void)
{
    meeting("T1", "{before}-05-01", "held");
    meeting("T2", "{before}-06-01", "held");
    meeting("T3", "{+30}", "planned");
    meeting("T4", "{before}-07-01", "cancelled");
    say("attendance", "'committee':'MEET','meeting':'T1','member':'UG','participant':'p','date':"
                      "'{before}-05-01','status':'attended'");
    say("attendance", "'committee':'GHOST','meeting':'T','member':'UG','participant':'p','date':"
                      "'{before}-05-01','status':'attended'");
    say("adoption", "'member':'KE','standard':'ISO 1','reference':'KS 1','degree':'IDT','date':"
                    "'{year}-01-01','themes':['climate','trade'],'sdgs':[13,7]");
    say("adoption", "'member':'DE','standard':'ISO 1','reference':'DIN 1','degree':'MOD','date':"
                    "'{year}-01-01','themes':['trade'],'sdgs':[13]");
    say("adoption", "'member':'UG','standard':'ISO 2','reference':'US 2','degree':'NEQ','date':"
                    "'{before}-01-01','status':'withdrawn','withdrawn':'{year}-01-01'");
}

void full_board_settle(struct full_board *b)
{
    struct random r = random_new(7);

    desk_journal(b->desk, buffer_slice(&events));
    buffer_free(&events);
    desk_finish(b->desk, &r);
    assert_int_equal(recount_derive(b->desk->store, &RULES_DEFAULT, DESK_LOG, b->now_ms), 0);
}

struct full_board full_board_new(void)
{
    struct full_board b = {.frail = frail_new(store_memory_new()), .now_ms = clock_wall_ms()};

    b.desk = desk_new(&b.frail->base);
    return b;
}

void full_board_fill(struct full_board *b)
{
    board = b;
    say_members();
    say_committees();
    say_ballots();
    say_votes();
    say_the_rest();
    full_board_settle(b);
}

void full_board_free(struct full_board *b)
{
    desk_free(b->desk);
}

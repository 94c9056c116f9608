/* The messages about refused events, to bytes and back; see wire.h.  As in wire.c each kind has a
 * function that writes its items and one that reads them, side by side. */
#include "proto/wire_inner.h"

void wire_encode_rejects(const struct wire_message *m, struct buffer *out)
{
    pack_uint(out, m->rejects.first);
    pack_uint(out, m->rejects.most);
}

void wire_decode_rejects(struct cursor *r, struct wire_message *m)
{
    m->rejects.first = read_number(r, 0, NUMBER_MAX);
    m->rejects.most = read_number(r, 1, NUMBER_MAX);
}

static void pack_reasons(struct buffer *out, struct slice code, struct slice field,
                         struct slice reason)
{
    pack_str(out, code);
    pack_str(out, field);
    pack_str(out, reason);
}

void wire_encode_rejected(const struct wire_message *m, struct buffer *out)
{
    pack_array(out, m->rejected.count);
    for (uint32_t i = 0; i < m->rejected.count; i++) {
        const struct wire_reject *one = &m->rejected.rejects[i];
        pack_array(out, 8);
        pack_uint(out, one->number);
        pack_int(out, one->received_ms);
        pack_str(out, one->source);
        pack_reasons(out, one->code, one->field, one->reason);
        pack_uint(out, one->size);
        pack_uint(out, one->bytes);
    }
}

static void read_reject(struct cursor *r, uint64_t least, struct wire_reject *ret)
{
    uint32_t more = read_record(r, 8);

    ret->number = read_number(r, least, NUMBER_MAX - 1);
    ret->received_ms = pack_read_int(next(r));
    ret->source = read_text(r, WIRE_NAME);
    ret->code = read_text(r, WIRE_NAME);
    ret->field = read_text(r, WIRE_NAME);
    ret->reason = read_text(r, WIRE_REASON);
    ret->size = read_number(r, 0, UINT32_MAX);
    ret->bytes = read_number(r, 0, ret->size);
    skip_items(r, more);
}

/* Numbers rise, here and below, so that nothing is told or asked for twice. */
void wire_decode_rejected(struct cursor *r, struct wire_message *m)
{
    uint32_t count = m->rejected.count = read_list(r, 9, WIRE_MAX_NUMBERS);
    struct wire_reject *rejects = need_items(r, count, sizeof *rejects);
    uint64_t least = 1, sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        read_reject(r, least, &rejects[i]);
        least = rejects[i].number + 1;
        sum += rejects[i].bytes;
    }
    m->rejected.rejects = rejects;
    check_payload(r, sum == r->payload_size);
}

void wire_encode_numbers(const struct wire_message *m, struct buffer *out)
{
    pack_numbers(out, m->numbers.numbers, m->numbers.count);
}

void wire_decode_numbers(struct cursor *r, struct wire_message *m)
{
    uint32_t count = m->numbers.count = read_list(r, 1, WIRE_MAX_NUMBERS);
    uint64_t *numbers = need_items(r, count, sizeof *numbers), least = 1;

    check(r, count > 0);
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = read_number(r, least, NUMBER_MAX - 1);
        least = numbers[i] + 1;
    }
    m->numbers.numbers = numbers;
}

void wire_encode_settled(const struct wire_message *m, struct buffer *out)
{
    pack_array(out, m->settled.count);
    for (uint32_t i = 0; i < m->settled.count; i++) {
        const struct wire_settlement *one = &m->settled.list[i];
        pack_array(out, 4);
        pack_uint(out, one->number);
        pack_reasons(out, one->code, one->field, one->reason);
    }
}

static void read_settlement(struct cursor *r, uint64_t least, struct wire_settlement *ret)
{
    uint32_t more = read_record(r, 4);

    ret->number = read_number(r, least, NUMBER_MAX - 1);
    ret->code = read_text(r, WIRE_NAME);
    ret->field = read_text(r, WIRE_NAME);
    ret->reason = read_text(r, WIRE_REASON);
    skip_items(r, more);
}

void wire_decode_settled(struct cursor *r, struct wire_message *m)
{
    uint32_t count = m->settled.count = read_list(r, 5, WIRE_MAX_NUMBERS);
    struct wire_settlement *list = need_items(r, count, sizeof *list);
    uint64_t least = 1;

    for (uint32_t i = 0; i < count; i++) {
        read_settlement(r, least, &list[i]);
        least = list[i].number + 1;
    }
    m->settled.list = list;
}

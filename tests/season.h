/* A year of work over a real registry: ballots, votes, meetings and attendance of the committees
 * and seats that are there, by members of whom most are diligent, some forget and some are silent.
 * The same seed gives the same bytes everywhere. */
#ifndef TESTS_SEASON_H
#define TESTS_SEASON_H

#include "proto/date.h"

/* The day on which the year is told, its first of October: what closes or starts before is closed
 * or held, as a rule, and what comes later is open or planned, until the end of the year.  No
 * event has a time after that day. */
date_days season_today(int year);

/* Appends the year's events for `percent` of the committees that have seats in `registry`
 * (consecutive encoded events; of these only seat notices are read, each subject once).  A
 * committee's events are the same whatever the percentage.  All the committees of tests/data give
 * about 190,000 events; a few committees rest, some votes are corrected, a few retracted. */
void season_events(uint64_t seed, int year, unsigned percent, struct slice registry,
                   struct buffer *ret);

#endif

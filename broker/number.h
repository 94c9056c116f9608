/* Numbers as they stand on disk: little-endian in values, big-endian in keys, so that LMDB's byte
 * order is the order of the numbers. */
#ifndef BROKER_NUMBER_H
#define BROKER_NUMBER_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void number_put16(char *at, uint16_t n)
{
    n = htole16(n);
    memcpy(at, &n, sizeof n);
}

static inline void number_put32(char *at, uint32_t n)
{
    n = htole32(n);
    memcpy(at, &n, sizeof n);
}

static inline void number_put64(char *at, uint64_t n)
{
    n = htole64(n);
    memcpy(at, &n, sizeof n);
}

static inline uint16_t number_get16(const char *at)
{
    uint16_t n;

    memcpy(&n, at, sizeof n);
    return le16toh(n);
}

static inline uint32_t number_get32(const char *at)
{
    uint32_t n;

    memcpy(&n, at, sizeof n);
    return le32toh(n);
}

static inline uint64_t number_get64(const char *at)
{
    uint64_t n;

    memcpy(&n, at, sizeof n);
    return le64toh(n);
}

static inline void number_put_key(char *at, uint64_t n)
{
    n = htobe64(n);
    memcpy(at, &n, sizeof n);
}

static inline uint64_t number_get_key(const char *at)
{
    uint64_t n;

    memcpy(&n, at, sizeof n);
    return be64toh(n);
}

#endif

/*
 * What the workload "compile" compiles in a guest, once for each program: it
 * prints the SHA-256 digest of the numbers from FIRST to LAST, a line each.
 * There is no C library, and no header: the guest has a compiler, and no more.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

typedef unsigned char uint8_t;
typedef unsigned int uint32_t;
typedef unsigned long uint64_t;

#define BLOCK 64

/* FIPS 180-4, 4.2.2. */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
};

static uint32_t state[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
};
static uint8_t block[BLOCK];
static uint64_t length;

static inline uint32_t rotated(uint32_t word, int bits)
{
    return word >> bits | word << (32 - bits);
}

static void digest_block(void)
{
    uint32_t w[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 |
               block[4 * i + 2] << 8 | block[4 * i + 3];
    }
#pragma GCC unroll 4
    for (int i = 16; i < 64; i++) {
        uint32_t before = w[i - 15], last = w[i - 2];

        w[i] = w[i - 16] + w[i - 7] +
               (rotated(before, 7) ^ rotated(before, 18) ^ before >> 3) +
               (rotated(last, 17) ^ rotated(last, 19) ^ last >> 10);
    }
    /* A function of some size, as compilers meet them. */
#pragma GCC unroll 8
    for (int i = 0; i < 64; i++) {
        uint32_t one = h + constants[i] + w[i] + ((e & f) ^ (~e & g)) +
                       (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25));
        uint32_t two = ((a & b) ^ (a & c) ^ (b & c)) +
                       (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22));

        h = g;
        g = f;
        f = e;
        e = d + one;
        d = c;
        c = b;
        b = a;
        a = one + two;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

static void add_byte(uint8_t byte)
{
    block[length++ % BLOCK] = byte;
    if (length % BLOCK == 0) {
        digest_block();
    }
}

static void add_number(uint64_t number)
{
    uint8_t digits[20];
    int count = 0;

    do {
        digits[count++] = '0' + number % 10;
        number /= 10;
    } while (number);
    while (count) {
        add_byte(digits[--count]);
    }
    add_byte('\n');
}

static void end_message(void)
{
    uint64_t bits = 8 * length;

    add_byte(0x80);
    while (length % BLOCK != BLOCK - 8) {
        add_byte(0);
    }
    for (int shift = 56; shift >= 0; shift -= 8) {
        add_byte(bits >> shift);
    }
}

static long system_call(long number, long first, const void *second, long third)
{
    long result;

    asm volatile("syscall" : "=a"(result)
                 : "0"(number), "D"(first), "S"(second), "d"(third)
                 : "rcx", "r11", "memory");
    return result;
}

/* The kernel aligns the stack as for a function's body, not for its call. */
__attribute__((force_align_arg_pointer))
void _start(void)
{
    char text[65];

    for (uint64_t number = FIRST; number <= LAST; number++) {
        add_number(number);
    }
    end_message();
    for (int i = 0; i < 64; i++) {
        text[i] = "0123456789abcdef"[state[i / 8] >> (28 - i % 8 * 4) & 15];
    }
    text[64] = '\n';
    system_call(1, 1, text, sizeof(text)); /* write() to standard output */
    system_call(60, 0, 0, 0);              /* exit() */
    __builtin_unreachable();
}

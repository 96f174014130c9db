/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdatomic.h>

/* Two variables that are at least so many bytes apart share no cache line: a thread that changes one of them does not take
 * the other one from the cache of another processor. */
#define AGENT_CACHE_LINE 64

/* Tells the processor that this thread waits for a change of memory. */
#if defined(__x86_64__) || defined(__i386__)
#define agent_cpu_relax() __builtin_ia32_pause ()
#else
#define agent_cpu_relax() atomic_signal_fence (memory_order_seq_cst)
#endif

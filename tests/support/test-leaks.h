/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Finds memory that a test case leaves behind, without a tool.
 *
 * Messages and frames are counted one by one: the linker replaces the functions of the pool by those of test-leaks.c.
 * All other memory is counted by counting-malloc.c when the case is run again. In the first run, GLib allocates memory
 * that it keeps for ever.
 */
typedef void (*TestLeaksFunc) (gconstpointer data);

void test_leaks_run       (TestLeaksFunc func,
                           gconstpointer data);
void test_leaks_run_once  (TestLeaksFunc func,
                           gconstpointer data);
void test_leaks_excuse    (void);

G_END_DECLS

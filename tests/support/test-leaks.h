/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Whether a case leaves something behind, without a tool that looks for it.
 *
 * Messages and frames are counted one by one: the linker puts functions of this file in the place of the pool's. All other
 * memory is counted by counting-malloc.c, when a case is run again: the first time, GLib allocates what it keeps for ever.
 */
typedef void (*TestLeaksFunc) (gconstpointer data);

void test_leaks_run       (TestLeaksFunc func,
                           gconstpointer data);
void test_leaks_run_once  (TestLeaksFunc func,
                           gconstpointer data);
void test_leaks_excuse    (void);

G_END_DECLS

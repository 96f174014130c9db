/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <glib.h>

G_BEGIN_DECLS

/*
 * AGENT_AVAILABLE_IN_ALL:
 *
 * Marks a symbol as part of the library's interface; everything else is hidden.
 */
#ifndef AGENT_AVAILABLE_IN_ALL
#define AGENT_AVAILABLE_IN_ALL __attribute__ ((visibility ("default"))) extern
#endif

G_END_DECLS

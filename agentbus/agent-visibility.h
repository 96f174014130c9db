/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-version.h>

/*
 * One of these macros stands before each declaration, and makes it part of the library's interface. Everything else is
 * hidden. A declaration gets AGENT_AVAILABLE_IN_ of the version that it came with. In the version that deprecates it,
 * AGENT_DEPRECATED_IN_ of that version takes its place. Each minor version gets its own block at the end of this file.
 *
 * The scanner for introspection does not read this file, for it would list these macros in the reference.
 */

#ifndef AGENT_EXTERN
#define AGENT_EXTERN __attribute__ ((visibility ("default"))) extern
#endif

#ifdef AGENT_DISABLE_DEPRECATION_WARNINGS
#define AGENT_DEPRECATED                AGENT_EXTERN
#define AGENT_DEPRECATED_FOR(f)         AGENT_EXTERN
#define AGENT_UNAVAILABLE(major, minor) AGENT_EXTERN
#else
#define AGENT_DEPRECATED                G_DEPRECATED AGENT_EXTERN
#define AGENT_DEPRECATED_FOR(f)         G_DEPRECATED_FOR (f) AGENT_EXTERN
#define AGENT_UNAVAILABLE(major, minor) G_UNAVAILABLE (major, minor) AGENT_EXTERN
#endif

#define AGENT_AVAILABLE_IN_ALL AGENT_EXTERN

#if AGENT_VERSION_MIN_REQUIRED >= AGENT_VERSION_0_1
#define AGENT_DEPRECATED_IN_0_1        AGENT_DEPRECATED
#define AGENT_DEPRECATED_IN_0_1_FOR(f) AGENT_DEPRECATED_FOR (f)
#else
#define AGENT_DEPRECATED_IN_0_1        AGENT_EXTERN
#define AGENT_DEPRECATED_IN_0_1_FOR(f) AGENT_EXTERN
#endif

#if AGENT_VERSION_MAX_ALLOWED < AGENT_VERSION_0_1
#define AGENT_AVAILABLE_IN_0_1 AGENT_UNAVAILABLE (0, 1)
#else
#define AGENT_AVAILABLE_IN_0_1 AGENT_EXTERN
#endif

#if AGENT_VERSION_MIN_REQUIRED >= AGENT_VERSION_0_2
#define AGENT_DEPRECATED_IN_0_2        AGENT_DEPRECATED
#define AGENT_DEPRECATED_IN_0_2_FOR(f) AGENT_DEPRECATED_FOR (f)
#else
#define AGENT_DEPRECATED_IN_0_2        AGENT_EXTERN
#define AGENT_DEPRECATED_IN_0_2_FOR(f) AGENT_EXTERN
#endif

#if AGENT_VERSION_MAX_ALLOWED < AGENT_VERSION_0_2
#define AGENT_AVAILABLE_IN_0_2 AGENT_UNAVAILABLE (0, 2)
#else
#define AGENT_AVAILABLE_IN_0_2 AGENT_EXTERN
#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "test-world.h"

G_BEGIN_DECLS

/* The cases that run in every world, by what they are about. Each list ends with an empty one. */
extern const TestWorldCase test_order_cases[];
extern const TestWorldCase test_flow_cases[];
extern const TestWorldCase test_ending_cases[];
extern const TestWorldCase test_presence_cases[];
extern const TestWorldCase test_broadcast_cases[];
extern const TestWorldCase test_group_cases[];
extern const TestWorldCase test_router_cases[];
extern const TestWorldCase test_actor_cases[];
extern const TestWorldCase test_vanish_cases[];

G_END_DECLS

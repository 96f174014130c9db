/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * NKeys of a test, and the JWTs that are signed with them, as the tools nk and nsc make them. The program openssl has the
 * keys; each is in a folder, under a name: NAME.seed is what a client reads.
 */
typedef enum
{
  TEST_NATS_KEY_ACCOUNT = 0,
  TEST_NATS_KEY_OPERATOR = 14,
  TEST_NATS_KEY_USER = 20,
} TestNatsKeyKind;

gboolean test_nats_openssl       (const char      *folder,
                                  const char      *arguments);
char    *test_nats_path          (const char      *folder,
                                  const char      *name) G_GNUC_WARN_UNUSED_RESULT;
void     test_nats_remove_folder (const char      *path);
char    *test_nats_key_new       (const char      *folder,
                                  const char      *name,
                                  TestNatsKeyKind  kind) G_GNUC_WARN_UNUSED_RESULT;
char    *test_nats_jwt_new       (const char      *folder,
                                  const char      *signer,
                                  const char      *claims) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS

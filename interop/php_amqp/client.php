<?php
// SPDX-License-Identifier: Apache-2.0

// The amqp extension of PHP against the broker at AMQP_HOST and AMQP_PORT.
//
// What the extension cannot do:
// - It does not send cluster-id, and always sends content-type and delivery-mode.
// - It writes integers as l, and of the other field types S, d, t, T, D, F, A, V. Of what it reads
//   in an array it keeps strings and tables only. An empty body reads as false.
// - It does not announce consumer_cancel_notify, so a server does not tell it of deleted queues.
// - It sets a prefetch of 3 on every new channel, unless it is told otherwise.

declare(strict_types=1);

require_once __DIR__ . '/harness.php';
require_once __DIR__ . '/connecting.php';
require_once __DIR__ . '/routing.php';
require_once __DIR__ . '/content.php';
require_once __DIR__ . '/publishing.php';
require_once __DIR__ . '/consuming.php';
require_once __DIR__ . '/lifetime.php';

exit(run_checks() ? 0 : 1);

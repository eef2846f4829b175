<?php
// SPDX-License-Identifier: Apache-2.0

// php-amqplib against the broker at AMQP_HOST and AMQP_PORT.
//
// What the library cannot do: of RabbitMQ's field types it cannot write f, d and L (it has names
// for the first two but no code), and a field name may have 128 bytes at most. It knows all
// fourteen basic properties. It reads nothing unless it is asked to wait, heartbeats included.

declare(strict_types=1);

require_once __DIR__ . '/harness.php';
require_once __DIR__ . '/connecting.php';
require_once __DIR__ . '/routing.php';
require_once __DIR__ . '/content.php';
require_once __DIR__ . '/publishing.php';
require_once __DIR__ . '/consuming.php';
require_once __DIR__ . '/lifetime.php';

exit(run_checks() ? 0 : 1);

# SPDX-License-Identifier: Apache-2.0

# Ruby's bunny against the broker at AMQP_HOST and AMQP_PORT.
#
# What the library cannot do:
# - It writes every integer as l (signed 64), and of the other field types S, d, f, t, T, F, A, V,
#   and D for whole numbers only. It has f only directly in a table, and it drops the last element
#   of an array that it reads if that takes less than four bytes.
# - It always sends content-type, delivery-mode and priority, so that they cannot be absent.
# - basic.get from a missing queue ends in its own timeout instead of the 404.
#
# It knows all fourteen basic properties.

require_relative 'harness'
require_relative 'connecting'
require_relative 'routing'
require_relative 'content'
require_relative 'publishing'
require_relative 'consuming'
require_relative 'lifetime'

exit run_checks

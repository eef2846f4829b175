# SPDX-License-Identifier: Apache-2.0

# The library calls back once per message, whatever the server acknowledged in one go.
check 'publisher confirms' do |s|
  queue = s.queue
  confirms = Thread::Queue.new
  s.channel.confirm_select(->(tag, _, nack) { confirms << [tag, nack] })
  count = 200
  s.send_to(queue, *(1..count).map(&:to_s))
  got = (1..count).map { await('confirm', confirms) }
  same('what was confirmed', got.sort_by(&:first), (1..count).map { |tag| [tag, false] })
  same('messages once confirmed', s.ready(queue, s.connection.create_channel), count)

  # What reaches no queue is confirmed as well.
  s.channel.default_exchange.publish('', routing_key: unique('nowhere'))
  same('the next confirm', await('confirm', confirms), [count + 1, false])
  nothing_more('confirms', confirms)
end

# The library calls both from the thread that reads, so in wire order.
check 'mandatory return before its confirm' do |s|
  events = Thread::Queue.new
  s.channel.confirm_select(->(tag, _, nack) { events << [nack ? :nack : :ack, tag] })
  x = s.channel.default_exchange
  x.on_return { |*returned| events << returned }
  missing = unique('missing')
  x.publish("h\u00e9llo", EVERY_PROPERTY.merge(routing_key: missing, mandatory: true))
  info, properties, body = await('return', events)
  raise Failure, "before the return came #{info} #{properties}" if info.is_a?(Symbol)

  same('the reply code', info.reply_code, 312)
  same('the reply text', info.reply_text, 'NO_ROUTE')
  same('the exchange', info.exchange, '')
  same('the routing key', info.routing_key, missing)
  carries(properties)
  same('the body', body.b, "h\u00e9llo".b)
  same('what follows', await('confirm', events), [:ack, 1])

  x.publish('', routing_key: s.queue.name, mandatory: true)
  same('after a routed message', await('confirm', events), [:ack, 2])
end

check 'tx commit' do |s|
  queue = s.queue
  other = s.connection.create_channel
  s.channel.tx_select
  s.send_to(queue, '1', '2')
  same('messages before the commit', s.ready(queue, other), 0)
  s.channel.tx_commit
  same('messages after the commit', s.ready(queue, other), 2)

  s.channel.ack(s.get(queue, manual_ack: true)[0].delivery_tag)
  s.channel.tx_commit
  s.channel.close
  s.holds(other.queue(queue.name, passive: true), '2')
end

check 'tx rollback' do |s|
  queue = s.queue
  other = s.connection.create_channel
  s.channel.tx_select
  s.send_to(queue, 'kept')
  s.channel.tx_commit
  s.send_to(queue, 'undone')
  s.channel.ack(s.get(queue, manual_ack: true)[0].delivery_tag)
  s.channel.tx_rollback
  s.channel.tx_commit
  s.channel.close
  left = other.queue(queue.name, passive: true)
  info, _, body = s.get(left)
  same('what is left', body, 'kept')
  same('redelivered, its ack undone', info.redelivered?, true)
  s.holds(left)
end

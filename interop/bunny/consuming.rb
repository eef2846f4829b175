# SPDX-License-Identifier: Apache-2.0

def comes_back(session, queue, body, redelivered, **options)
  info, _, got = session.get(queue, **options)
  same('the body', got, body)
  same("redelivered of #{body}", info.redelivered?, redelivered)
  info.delivery_tag
end

check 'nack requeue' do |s|
  queue = s.queue
  reader = Reader.new(queue, manual_ack: true)
  s.send_to(queue, '1', '2', '3')
  tags = %w[1 2 3].map { |body| reader.expect(body, false) }
  s.channel.nack(tags.last, true, true)
  %w[1 2 3].each { |body| s.channel.nack(reader.expect(body, true), false, false) }

  # A message goes back to where it stood.
  reader.consumer.cancel
  s.send_to(queue, '4', '5')
  s.channel.nack(comes_back(s, queue, '4', false, manual_ack: true), false, true)
  comes_back(s, queue, '4', true)
  comes_back(s, queue, '5', false)
  s.holds(queue)
end

check 'reject requeue' do |s|
  queue = s.queue
  s.send_to(queue, 'once more')
  s.channel.reject(comes_back(s, queue, 'once more', false, manual_ack: true), true)
  s.channel.reject(comes_back(s, queue, 'once more', true, manual_ack: true), false)
  s.holds(queue)

  # So does everything that a closed channel had not acknowledged.
  s.send_to(queue, 'left behind')
  other = s.connection.create_channel
  s.get(other.queue(queue.name, passive: true), manual_ack: true)
  other.close
  comes_back(s, queue, 'left behind', true)
end

check 'recover' do |s|
  queue = s.queue
  s.send_to(queue, '1', '2')
  2.times { s.get(queue, manual_ack: true) }
  s.channel.recover(true)
  comes_back(s, queue, '1', true)
  comes_back(s, queue, '2', true)
end

# What waits in the queue and what was delivered add up to what was published, so nothing is on its
# way beyond the prefetch.
check 'prefetch' do |s|
  queue = s.queue
  s.send_confirmed(queue, *(1..10).map(&:to_s))
  s.channel.prefetch(3)
  reader = Reader.new(queue, manual_ack: true)
  stands = lambda do |waiting|
    same('messages held back', s.ready(queue), waiting)
    nothing_more('deliveries', reader.messages)
  end
  tags = (1..3).map { |i| reader.expect(i.to_s, false) }
  stands.call(7)
  s.channel.ack(tags[1], true)
  tags += (4..5).map { |i| reader.expect(i.to_s, false) }
  stands.call(5)
  s.channel.ack(tags[4], false)
  tags << reader.expect('6', false)
  stands.call(4)
  s.channel.ack(tags[5], true)
  (7..9).each { |i| reader.expect(i.to_s, false) }
  stands.call(1)
end

check 'consumer cancel' do |s|
  queue = s.queue
  reader = Reader.new(queue, manual_ack: true)
  s.send_to(queue, 'before')
  tag = reader.expect('before', false)
  reply = reader.consumer.cancel
  same('the cancelled tag', reply.consumer_tag, reader.consumer.consumer_tag)
  s.send_confirmed(queue, 'after')
  same('messages behind the consumer', s.ready(queue), 1)
  nothing_more('deliveries', reader.messages)
  s.channel.ack(tag)
  s.holds(queue, 'after')
end

check 'consumer cancelled by the server' do |s|
  queue = s.queue
  reader = Reader.new(queue)
  s.connection.create_channel.queue_delete(queue.name)
  same('the cancelled tag', await('cancel', reader.cancellations), reader.consumer.consumer_tag)
  same('messages of a new queue on the channel', s.ready(s.queue), 0)
end

# SPDX-License-Identifier: Apache-2.0

def missing(what, name)
  "NOT_FOUND - no #{what} '#{name}' in vhost '/'"
end

check 'exclusive queue' do |s|
  name = unique('exclusive')
  owner = s.connect
  owner.create_channel.queue(name, exclusive: true)
  owner.create_channel.queue_bind(name, 'amq.direct', routing_key: name)
  locked = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '#{name}' in vhost " \
           "'/'. It could be originally declared on another connection or the exclusive property " \
           'value does not match that of the original declaration.'
  s.refused(Bunny::ResourceLocked, 405, locked) { |ch| ch.queue(name, exclusive: true) }
  s.refused(Bunny::ResourceLocked, 405, locked) { |ch| ch.queue_purge(name) }
  s.refused(Bunny::ResourceLocked, 405, locked) { |ch| ch.queue_delete(name) }
  owner.close
  s.refused(Bunny::NotFound, 404, missing('queue', name)) { |ch| ch.queue(name, passive: true) }
end

check 'auto-delete queue' do |s|
  queue = s.channel.queue(unique('auto-delete'), auto_delete: true)
  first = Reader.new(queue)
  second = Reader.new(queue)
  first.consumer.cancel
  same('consumers left', queue.consumer_count, 1)
  second.consumer.cancel
  s.refused(Bunny::NotFound, 404, missing('queue', queue.name)) do |ch|
    ch.queue(queue.name, passive: true)
  end
end

check 'channel error 404' do |s|
  name = unique('missing')
  s.refused(Bunny::NotFound, 404, missing('queue', name)) { |ch| ch.queue(name, passive: true) }
  s.refused(Bunny::NotFound, 404, missing('exchange', name)) do |ch|
    ch.queue_bind(s.queue.name, name)
  end
end

check 'channel error 406' do |s|
  name = unique('transient')
  s.channel.queue(name)
  s.refused(Bunny::PreconditionFailed, 406,
            "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '#{name}' in vhost '/': " \
            "received 'true' but current is 'false'") { |ch| ch.queue(name, durable: true) }
  s.refused(Bunny::PreconditionFailed, 406,
            'PRECONDITION_FAILED - channel is not transactional', &:tx_commit)
  s.channel.queue_delete(name)

  # The library tells this one, which answers no request, to a callback by its text.
  closes = Thread::Queue.new
  broken = s.connection.create_channel
  broken.on_error { |_, close| closes << [close.reply_code, close.reply_text] }
  broken.ack(77)
  same('the answer to an unknown tag', await('channel.close', closes),
       [406, 'PRECONDITION_FAILED - unknown delivery tag 77'])
  s.only_cost_its_channel(broken)
end

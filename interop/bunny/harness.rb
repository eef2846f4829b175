# SPDX-License-Identifier: Apache-2.0

require 'bunny'
require 'stringio'
require 'timeout'

# Everything that is waited for has this long to happen; a check as a whole has the other.
DEADLINE_S = 10
CHECK_DEADLINE_S = 45

class Failure < StandardError
end

def same(what, got, wanted)
  return if got == wanted && got.class == wanted.class

  raise Failure, "#{what} is #{got.inspect[0, 200]}, not #{wanted.inspect[0, 200]}"
end

# The next element of a Thread::Queue, which is how what happens in the library's threads arrives.
def await(what, events)
  Timeout.timeout(DEADLINE_S, Failure, "no #{what} in #{DEADLINE_S} s") { events.pop }
end

def nothing_more(what, events)
  same("the number of further #{what}", events.size, 0)
end

def unique(what)
  $names = $names.to_i + 1
  "interop.ruby.#{Process.pid}.#{$names}.#{what}"
end

# Without automatic recovery: a connection that is lost must be seen to be lost.
def connection_options(more = {})
  { host: ENV.fetch('AMQP_HOST'), port: Integer(ENV.fetch('AMQP_PORT')), log_file: $stderr,
    automatically_recover: false, continuation_timeout: DEADLINE_S * 1000 }.merge(more)
end

# A consumer that keeps what happens to it for the check to read.
class Reader
  attr_reader :messages, :cancellations, :consumer

  def initialize(queue, **options)
    @messages = Thread::Queue.new
    @cancellations = Thread::Queue.new
    @consumer = Bunny::Consumer.new(queue.channel, queue.name,
                                    queue.channel.generate_consumer_tag,
                                    !options[:manual_ack], options[:exclusive] || false)
    @consumer.on_delivery { |*message| @messages << message }
    @consumer.on_cancellation { |cancel| @cancellations << cancel.consumer_tag }
    queue.subscribe_with(@consumer)
  end

  def message
    await('delivery', @messages)
  end

  # Reads one message, asserts its body and whether it was out before; returns its tag.
  def expect(body, redelivered)
    info, _, payload = message
    same('the body', payload, body)
    same("redelivered of #{body}", info.redelivered?, redelivered)
    info.delivery_tag
  end
end

# One connection with one open channel, and what a check needs around them.
class Session
  attr_reader :connection, :channel

  def initialize
    @opened = []
    @connection = connect
    @channel = @connection.create_channel
  end

  def connect(more = {})
    opened = Bunny.new(connection_options(more))
    opened.start
    @opened << opened
    opened
  end

  def close
    @opened.each { |opened| opened.close if opened.open? }
  end

  def queue(channel = @channel)
    channel.queue('', exclusive: true)
  end

  # Auto-delete: it goes with the bindings of the session's queues.
  def exchange(type)
    name = unique(type)
    declared = @channel.exchange(name, type: type, auto_delete: true)
    @channel.exchange_declare(name, type, passive: true)
    declared
  end

  def send_to(queue, *bodies, channel: @channel)
    bodies.each { |body| channel.default_exchange.publish(body, routing_key: queue.name) }
  end

  # From here on every publish on the channel waits until the message is in its queues. Without
  # that, the counts of a declare-ok may be older than a message published before the declare.
  def send_confirmed(queue, *bodies)
    @confirms ||= Thread::Queue.new.tap do |confirms|
      @channel.confirm_select(->(tag, _, nack) { confirms << [tag, nack] })
    end
    bodies.each do |body|
      tag = @channel.next_publish_seq_no
      send_to(queue, body)
      same('the confirm', await('confirm', @confirms), [tag, false])
    end
  end

  def get(queue, **options)
    info, properties, body = queue.pop(options)
    raise Failure, "queue #{queue.name} is empty" if info.nil?

    [info, properties, body]
  end

  # Asserts that the queue holds exactly these bodies in this order, and empties it.
  def holds(queue, *bodies)
    bodies.each { |body| same('the next body', get(queue)[2], body) }
    same('what comes after them', queue.pop[2], nil)
  end

  def ready(queue, channel = @channel)
    channel.queue_declare(queue.name, passive: true).message_count
  end

  # Performs something on a new channel that the server refuses, and asserts how; then that the
  # refusal cost that channel only: another channel and the connection go on, a new one opens.
  def refused(kind, code, text)
    broken = @connection.create_channel
    begin
      yield broken
    rescue Bunny::ChannelLevelException => e
      same('the exception', e.class, kind)
      same('the reply code', e.channel_close.reply_code, code)
      same('the reply text', e.channel_close.reply_text, text)
    else
      raise Failure, "not refused: #{text}"
    end
    only_cost_its_channel(broken)
  end

  def only_cost_its_channel(broken)
    same('the broken channel is closed', broken.closed?, true)
    same('the connection is open', @connection.open?, true)
    [@channel, @connection.create_channel].each do |working|
      queue = queue(working)
      send_to(queue, 'still here', channel: working)
      holds(queue, 'still here')
    end
  end
end

CHECKS = {}

def check(name, &body)
  CHECKS[name] = body
end

def passes?(name, body)
  session = Session.new
  Timeout.timeout(CHECK_DEADLINE_S) { body.call(session) }
  session.close
  puts "ok - #{name}"
  true
rescue StandardError, Timeout::Error => e
  puts "not ok - #{name}: #{e.class}: #{e.message.tr("\n", ' ')[0, 400]}"
  warn e.backtrace.join("\n")
  false
end

def run_checks
  $stdout.sync = true
  CHECKS.map { |name, body| passes?(name, body) }.all?
end

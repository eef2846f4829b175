# SPDX-License-Identifier: Apache-2.0

require 'bigdecimal'

TIMESTAMP = 1_700_000_000

EVERY_PROPERTY = {
  content_type: 'text/plain', content_encoding: 'identity', headers: { 'trace' => 'abc' },
  delivery_mode: 2, priority: 7, correlation_id: 'correlation-1', reply_to: 'some.queue',
  expiration: '3600000', message_id: 'message-1', timestamp: TIMESTAMP, type: 'greeting',
  user_id: 'guest', app_id: 'interop', cluster_id: 'cluster-1'
}.freeze

def carries(properties)
  got = properties.to_hash
  same('the properties', got.keys.sort, EVERY_PROPERTY.keys.sort)
  EVERY_PROPERTY.each do |name, value|
    value = Time.at(value) if name == :timestamp
    same("property #{name}", got[name], value)
  end
end

check 'basic properties by get' do |s|
  queue = s.queue
  s.channel.default_exchange.publish("h\u00e9llo", EVERY_PROPERTY.merge(routing_key: queue.name))
  s.send_to(queue, 'behind it')
  info, properties, body = s.get(queue, manual_ack: true)
  carries(properties)
  same('the body', body.b, "h\u00e9llo".b)
  same('the exchange', info.exchange, '')
  same('the routing key', info.routing_key, queue.name)
  same('redelivered', info.redelivered?, false)
  same('the delivery tag', info.delivery_tag.to_i, 1)
  s.channel.ack(info.delivery_tag)
  s.holds(queue, 'behind it')
end

check 'basic properties by consume' do |s|
  x = s.exchange('direct')
  reader = Reader.new(s.queue.bind(x, routing_key: 'key'), manual_ack: true)
  x.publish("h\u00e9llo", EVERY_PROPERTY.merge(routing_key: 'key'))
  info, properties, body = reader.message
  carries(properties)
  same('the body', body.b, "h\u00e9llo".b)
  same('the exchange', info.exchange, x.name)
  same('the routing key', info.routing_key, 'key')
  same('the consumer tag', info.consumer_tag, reader.consumer.consumer_tag)
  same('redelivered', info.redelivered?, false)
  s.channel.ack(info.delivery_tag)
end

# Those that the library does not add by itself.
check 'absent properties stay absent' do |s|
  queue = s.queue
  s.send_to(queue, 'plain')
  same('the properties', s.get(queue)[1].to_hash.keys.sort, %i[content_type delivery_mode priority])
end

# Every type the library can write and read back, at the ends of its range.
def every_type
  { 't true' => true, 't false' => false,
    'l low' => -(2**63), 'l high' => 2**63 - 1, 'l' => 7,
    'd' => -2.25, 'd most' => Float::MAX, 'd least' => Float::MIN,
    'S' => 'text', 'S bytes' => (0..255).map(&:chr).join.b, 'S empty' => '',
    'S long' => '0123456789' * 3000,
    'T' => Time.at(TIMESTAMP + 1), 'V' => nil, 'A empty' => [], 'F empty' => {} }
end

def same_field(name, got, wanted)
  case wanted
  when String
    same(name, got.b, wanted.b)
  when Array
    same("the size of #{name}", got.size, wanted.size)
    wanted.each_index { |i| same_field("#{name}[#{i}]", got[i], wanted[i]) }
  when Hash
    same("the names in #{name}", got.keys.map(&:b).sort, wanted.keys.map(&:b).sort)
    wanted.each { |key, value| same_field("#{name}.#{key}", got[key], value) }
  else
    same(name, got, wanted)
  end
end

check 'header field types' do |s|
  queue = s.queue
  headers = every_type.merge(
    'D' => BigDecimal(123), 'A' => [true, -3, 0.25, 'text', Time.at(1), nil, ['deeper', [], 'end'],
                                    every_type],
    'F' => every_type.merge('array' => [every_type]), 'n' * 255 => 'the longest name'
  )
  s.channel.default_exchange.publish(
    '', routing_key: queue.name,
        headers: headers.merge('f' => AMQ::Protocol::Float32Bit.new(1.5))
  )
  same_field('headers', s.get(queue)[1].headers, headers.merge('f' => 1.5))
end

def check_body(name, size)
  check name do |s|
    body = Random.new(size).bytes(size)
    queue = s.queue
    s.send_to(queue, body)
    raise Failure, 'the body that was got differs' unless s.get(queue)[2].b == body

    reader = Reader.new(queue)
    s.send_to(queue, body)
    raise Failure, 'the body that was delivered differs' unless reader.message[2].b == body
  end
end

check_body 'empty body', 0
check_body 'body of 1 byte', 1
check_body 'body of 10 MiB', 10 << 20

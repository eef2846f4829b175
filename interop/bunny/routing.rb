# SPDX-License-Identifier: Apache-2.0

check 'direct exchange' do |s|
  x = s.exchange('direct')
  north = s.queue.bind(x, routing_key: 'north')
  south = s.queue.bind(x, routing_key: 'south')
  %w[north south east north].each_with_index do |key, i|
    x.publish((i + 1).to_s, routing_key: key)
  end
  s.holds(north, '1', '4')
  s.holds(south, '2')

  north.bind(x, routing_key: 'south')
  north.unbind(x, routing_key: 'north')
  x.publish('5', routing_key: 'north')
  x.publish('6', routing_key: 'south')
  s.holds(north, '6')
  s.holds(south, '6')
end

check 'fanout exchange' do |s|
  x = s.exchange('fanout')
  queues = [s.queue.bind(x), s.queue.bind(x, routing_key: 'ignored')]
  x.publish('to all', routing_key: 'any key')
  queues.each { |queue| s.holds(queue, 'to all') }
end

check 'topic exchange' do |s|
  x = s.exchange('topic')
  one = s.queue.bind(x, routing_key: '*.eu.*')
  many = s.queue.bind(x, routing_key: 'log.#').bind(x, routing_key: '#.disk')
  %w[app.eu.net log.eu.disk log log.us.disk.full app.eu app.us.disk logs.eu].each do |key|
    x.publish(key, routing_key: key)
  end
  s.holds(one, 'app.eu.net', 'log.eu.disk')
  s.holds(many, 'log.eu.disk', 'log', 'log.us.disk.full', 'app.us.disk')
end

check 'headers exchange' do |s|
  x = s.exchange('headers')
  all, any = %w[all any].map do |match|
    s.queue.bind(x, arguments: { 'x-match' => match, 'shape' => 'round', 'size' => 7 })
  end
  { 'both' => { 'shape' => 'round', 'size' => 7, 'colour' => 'red' },
    'neither' => { 'shape' => 'square', 'size' => 8 },
    'one' => { 'shape' => 'square', 'size' => 7 } }.each do |body, headers|
    x.publish(body, headers: headers)
  end
  s.holds(all, 'both')
  s.holds(any, 'both', 'one')
end

check 'exchange to exchange binding' do |s|
  source = s.exchange('topic')
  target = s.exchange('direct')
  queue = s.queue.bind(target, routing_key: 'a.b')
  target.bind(source, routing_key: 'a.*')
  { 'a.b' => 'through both', 'a.c' => 'stopped by the second',
    'b.b' => 'stopped by the first' }.each do |key, body|
    source.publish(body, routing_key: key)
  end
  s.holds(queue, 'through both')
  target.bind(source, routing_key: 'keeps the source alive')
  target.unbind(source, routing_key: 'a.*')
  source.publish('no longer', routing_key: 'a.b')
  s.holds(queue)
  source.delete
end

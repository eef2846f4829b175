# SPDX-License-Identifier: Apache-2.0

check 'connect' do |s|
  same('product', s.connection.server_properties['product'], 'RabbitMQ')
  %w[publisher_confirms exchange_exchange_bindings basic.nack consumer_cancel_notify
     connection.blocked consumer_priorities authentication_failure_close per_consumer_qos
     direct_reply_to].each do |name|
    same("capability #{name}", s.connection.server_capabilities[name], true)
  end
  s.channel.close
  same('the channel is closed', s.channel.closed?, true)
  s.connection.close
  same('the connection is closed', s.connection.closed?, true)
end

# The library announces authentication_failure_close, so the refusal arrives as a 403; what that
# says goes to the log only.
check 'refused login' do
  log = StringIO.new
  begin
    Bunny.new(connection_options(password: 'wrong', log_file: log)).start
    raise Failure, 'the wrong password was accepted'
  rescue Bunny::AuthenticationFailureError
    said = log.string[/failed: (.*)$/, 1]
    same('the refusal', said, '403 ACCESS_REFUSED - Login was refused using authentication ' \
                              'mechanism PLAIN. For details see the broker logfile.')
  end
end

# Request and answer between two connections, each reading what the other wrote.
check 'two connections' do |s|
  other = s.connect.create_channel
  requests = s.channel.queue(unique('requests'), auto_delete: true)
  answers = s.channel.queue(unique('answers'), auto_delete: true)
  incoming = Reader.new(other.queue(requests.name, passive: true))
  replies = Reader.new(answers)
  50.times do |i|
    s.channel.default_exchange.publish("request #{i}", routing_key: requests.name,
                                                       reply_to: answers.name,
                                                       correlation_id: i.to_s)
    _, properties, body = incoming.message
    same('the request', body, "request #{i}")
    other.default_exchange.publish("answer #{i}", routing_key: properties.reply_to,
                                                  correlation_id: properties.correlation_id)
    _, properties, body = replies.message
    same('the answer', body, "answer #{i}")
    same('its correlation id', properties.correlation_id, i.to_s)
  end
end

# With an interval of 1 s the library gives up after 2.2 s without a frame from the server, and the
# server after 2 to 3 s without one from the client: being alive after 3.5 idle seconds proves that
# both send. An error in the idle connection is raised in this thread.
check 'heartbeat' do |s|
  idle = s.connect(heartbeat: 1)
  same('the negotiated heartbeat', idle.heartbeat, 1)
  channel = idle.create_channel
  sleep 3.5
  same('the idle connection is open', idle.open?, true)
  channel.queue('', exclusive: true)
end

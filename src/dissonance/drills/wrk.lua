-- wrk … -- FILE TOKEN TYPE THINK_MS KEY: bodies of FILE, a line each, over and over; a pause of 0 to 2 THINK_MS between two
-- requests of a connection; with a KEY other than "-" an idempotency key of its own for every request.
local requests, headers, number, think, key = {}, {}, 0, 0, nil

function init(arguments)
  headers["Content-Type"] = arguments[3]
  if arguments[2] ~= "-" then headers["Authorization"] = "Bearer " .. arguments[2] end
  if arguments[5] ~= "-" then key = arguments[5] end
  for line in io.lines(arguments[1]) do
    requests[#requests + 1] = key and line or wrk.format("POST", nil, headers, line)
  end
  think = tonumber(arguments[4])
  math.randomseed(7)
end

function request()
  number = number + 1
  local next = requests[(number - 1) % #requests + 1]
  if not key then return next end
  headers["Idempotency-Key"] = key .. "-" .. number
  return wrk.format("POST", nil, headers, next)
end

function delay()
  if think == 0 then return 0 end
  return math.floor(2 * think * math.random() + 0.5)
end

function done(summary, latency, _)
  local failed = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "duration_us": %d, "failed": %d, "p50_us": %.1f, "p99_us": %.1f, "mean_us": %.1f}\n',
    summary.requests, summary.duration, failed.connect + failed.read + failed.write + failed.status + failed.timeout,
    latency:percentile(50), latency:percentile(99), latency.mean))
end

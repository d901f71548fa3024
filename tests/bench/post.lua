-- wrk: one prediction after the other
wrk.method = "POST"
wrk.body = '{"question":"hello"}'
wrk.headers["content-type"] = "application/json"

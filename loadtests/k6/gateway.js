// What the scripts share: a payment, a call, the page of the result.
// k6 run -e GATEWAY=http://127.0.0.1:8080 -e KEY=rsk_... -e RATE=200 loadtests/k6/decision.js
import http from 'k6/http';
import { check } from 'k6';
import { Counter } from 'k6/metrics';

export const GATEWAY = __ENV.GATEWAY || 'http://127.0.0.1:8080';
export const RATE = Number(__ENV.RATE || 200);
export const SECONDS = Number(__ENV.SECONDS || 60);
export const shed = new Counter('shed');
const TAG = `k6-${Date.now().toString(36)}`;

export const payment = number => ({
  transaction_id: `${TAG}-${number}-${__VU}-${__ITER}`,
  customer_id: `${TAG}-c${number % 500}`,
  account_token: 'tok',
  channel: 'ECOM',
  kind: 'PURCHASE',
  amount_minor: 1000 + (number % 9777),
  currency: 'EUR',
  occurred_at: Date.now(),
});

export const post = (path, body, statuses, headers = {}) => {
  const key = __ENV.KEY ? { Authorization: `Bearer ${__ENV.KEY}` } : {};
  const answer = http.post(`${GATEWAY}${path}`, JSON.stringify(body), {
    headers: { 'Content-Type': 'application/json', ...key, ...headers },
    tags: { path },
    timeout: '10s',
    responseCallback: http.expectedStatuses(...statuses),
  });
  if (answer.status === 429) shed.add(1);
  check(answer, { [`${path} is answered as it should be`]: each => statuses.includes(each.status) });
  return answer;
};

// Open loop: requests come when they are due, whatever became of those before.
export const steady = (exec, rate, seconds, startTime = '0s') => ({
  executor: 'constant-arrival-rate', exec, rate, timeUnit: '1s', duration: `${seconds}s`,
  startTime, preAllocatedVUs: Math.max(Math.ceil(rate / 4), 10), maxVUs: Math.max(rate * 2, 50),
});

export const stages = (exec, rate, seconds) => ({
  executor: 'ramping-arrival-rate', exec, startRate: Math.ceil(rate / 10), timeUnit: '1s',
  preAllocatedVUs: Math.max(Math.ceil(rate / 4), 10), maxVUs: Math.max(rate * 2, 50),
  stages: [
    { target: rate, duration: `${Math.ceil(seconds / 6)}s` },
    { target: rate, duration: `${Math.ceil(seconds * 2 / 3)}s` },
    { target: 0, duration: `${Math.ceil(seconds / 6)}s` },
  ],
});

const escaped = text => String(text).replace(/[&<>"]/g, each => `&#${each.charCodeAt(0)};`);

// An HTML page without any other host, beside k6's own JSON.
export const result = name => data => {
  const row = (...cells) => `<tr>${cells.map(each => `<td>${escaped(each)}</td>`).join('')}</tr>`;
  const metrics = Object.entries(data.metrics).sort().map(([metric, each]) => {
    const broken = Object.values(each.thresholds || {}).some(found => !found.ok);
    const values = Object.entries(each.values)
      .map(([key, value]) => `${key} ${Number(value.toFixed(3))}`).join(', ');
    return row(metric, values, each.thresholds ? (broken ? 'broken' : 'holds') : '');
  });
  const page = `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>${escaped(name)}</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui;margin:1rem auto;max-width:60rem;
padding:0 1rem}td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top;
overflow-wrap:anywhere}</style><h1>${escaped(name)}</h1>
<p>${escaped(GATEWAY)}, ${RATE} a second</p>
<table><tr><th>metric</th><th>values</th><th>threshold</th></tr>${metrics.join('')}</table></html>`;
  const folder = __ENV.OUT || 'build/k6';
  return {
    stdout: `${name}: ${folder}/${name}.html\n`,
    [`${folder}/${name}.html`]: page,
    [`${folder}/${name}.json`]: JSON.stringify(data, null, 1),
  };
};

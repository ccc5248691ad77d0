// Decisions at RATE a second, beside a burst of ten times as many transactions in batches for
// BURST seconds (60). Decisions are answered within their deadline; batches are taken or shed.
import { scenario } from 'k6/execution';
import { payment, post, RATE, result, steady } from './gateway.js';

const ITEMS = 100;
const BURST = Number(__ENV.BURST || 60);
const CALM = Math.ceil(BURST / 4);
export const options = {
  scenarios: {
    decisions: steady('decide', RATE, BURST + 2 * CALM),
    bulk: steady('acceptMany', Math.max(Math.ceil(RATE * 10 / ITEMS), 1), BURST, `${CALM}s`),
  },
  thresholds: {
    checks: ['rate==1'],
    'http_req_duration{path:/v1/decisions}': ['p(99.9)<155', 'max<200'],
  },
};
export const decide = () => post('/v1/decisions', payment(scenario.iterationInTest), [200],
  { 'X-Deadline-Ms': '150' });
export const acceptMany = () => {
  const first = scenario.iterationInTest * ITEMS;
  post('/v1/transactions:batch', Array.from({ length: ITEMS }, (_, at) => payment(first + at)),
    [200, 429]);
};
export const handleSummary = result('burst');

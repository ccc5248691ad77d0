// Bodies of ITEMS transactions (100), RATE transactions a second in all. Too many bodies at a time
// are shed with 429, which is as it should be.
import { scenario } from 'k6/execution';
import { payment, post, RATE, result, SECONDS, stages } from './gateway.js';

const ITEMS = Number(__ENV.ITEMS || 100);
export const options = {
  scenarios: { batches: stages('acceptMany', Math.max(Math.ceil(RATE / ITEMS), 1), SECONDS) },
  thresholds: {
    checks: ['rate==1'],
    'http_req_duration{path:/v1/transactions:batch}': ['p(99)<500'],
  },
};
export const acceptMany = () => {
  const first = scenario.iterationInTest * ITEMS;
  post('/v1/transactions:batch', Array.from({ length: ITEMS }, (_, at) => payment(first + at)),
    [200, 429]);
};
export const handleSummary = result('batch');

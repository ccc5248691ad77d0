// Transactions one by one, as many a second as RATE says.
import { scenario } from 'k6/execution';
import { payment, post, RATE, result, SECONDS, stages } from './gateway.js';

export const options = {
  scenarios: { transactions: stages('accept', RATE, SECONDS) },
  thresholds: {
    checks: ['rate==1'],
    'http_req_duration{path:/v1/transactions}': ['p(99)<100'],
    dropped_iterations: ['count==0'],
  },
};
export const accept = () => post('/v1/transactions', payment(scenario.iterationInTest), [202]);
export const handleSummary = result('transactions');

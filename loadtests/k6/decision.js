// Decisions, as many a second as RATE says. Each is answered within its deadline and 50 ms.
import { scenario } from 'k6/execution';
import { payment, post, RATE, result, SECONDS, stages } from './gateway.js';

export const options = {
  scenarios: { decisions: stages('decide', RATE, SECONDS) },
  thresholds: {
    checks: ['rate==1'],
    'http_req_duration{path:/v1/decisions}': ['p(99)<150', 'max<200'],
    dropped_iterations: ['count==0'],
  },
};
export const decide = () => post('/v1/decisions', payment(scenario.iterationInTest), [200],
  { 'X-Deadline-Ms': '150' });
export const handleSummary = result('decision');

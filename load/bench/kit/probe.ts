/** Loaded into the server under test before its main file. Reports what the server uses, and ends it when the bench is gone. */
import { serve } from './served.ts';
import { usageHandlers } from './usage.ts';

serve(usageHandlers, () => process.kill(process.pid, 'SIGTERM'));
// The channel alone must not keep the server alive.
process.channel?.unref();

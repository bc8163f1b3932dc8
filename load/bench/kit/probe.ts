/** Loaded into the server under test before its own main file: tells what it uses, and ends it when the bench is gone. */
import { serve } from './served.ts';
import { usageHandlers } from './usage.ts';

serve(usageHandlers, () => process.kill(process.pid, 'SIGTERM'));
// The channel alone must not keep the server alive.
process.channel?.unref();

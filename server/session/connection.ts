import {
  type ClientFrame,
  type CloseCode,
  closeCodes,
  decodeClientFrame,
  encode,
  type Fault,
  fault,
  type HelloFrame,
  type HoldFrame,
  limits,
  type ServerFrame,
} from '../../protocol/index.ts';
import { FRAMES_BURST_S, sessionLimits } from '../limits.ts';
import type { FrameTiming } from '../observability/frame-times.ts';
import { RateLimit } from '../rate-limit.ts';
import { faultOf, tooMuch } from '../refusals.ts';
import type { Rooms } from '../rooms.ts';
import type { Connections } from './connections.ts';
import { countOutcome, dispatch } from './dispatch.ts';
import { endSession } from './ending.ts';
import { adoptLeases, openSession, userOf, welcome } from './hello.ts';
import type { Sender } from './sender.ts';
import type { Session } from './session.ts';

/** Ready-made endings of `busy` replies to holds, with that many different times to retry. */
const turnedDown = Array.from({ length: 64 }, () => JSON.stringify(tooMuch()).slice(1, -1));
let turnedDownCount = 0;

/**
 * One socket.
 *
 * States: new (waits for hello, 5 s) → joining (hello is being served) → live (has a session) → closed. Other frames are refused
 * with `hello_required` until it is live. Only this class answers frames, one reply each, and only the sender sends.
 */
export class Connection {
  readonly sender: Sender;
  readonly address: string;
  readonly #rooms: Rooms;
  readonly #connections: Connections;
  readonly #frames: RateLimit;
  readonly #offences = new RateLimit(sessionLimits.offencesPerS, sessionLimits.offencesBurst);
  #state: 'new' | 'joining' | 'live' | 'closed' = 'new';
  #session: Session | undefined;
  #helloTimer: NodeJS.Timeout;
  #underWay = 0;

  constructor(rooms: Rooms, connections: Connections, sender: Sender, address: string) {
    this.#rooms = rooms;
    this.#connections = connections;
    this.sender = sender;
    this.address = address;
    const { maxFramesPerS } = rooms.config;
    this.#frames = new RateLimit(maxFramesPerS, maxFramesPerS * FRAMES_BURST_S);
    this.#helloTimer = this.#awaitHello();
  }

  get session(): Session | undefined {
    return this.#session;
  }

  get underWay(): number {
    return this.#underWay;
  }

  message(text: string): void {
    if (this.sender.overrun) return;
    const timing = this.#rooms.metrics.frameTimes.begin();
    const decoded = decodeClientFrame(text);
    timing?.parsed();
    const waitMs = this.#frames.take();
    const id = decoded.ok ? decoded.frame.id : decoded.id;
    this.#rooms.metrics.framesReceived.count(decoded.ok ? decoded.frame.type : 'invalid');
    if (waitMs > 0) this.#offend(id, fault('rate_limited', { retryInMs: waitMs }), text.length);
    else if (!decoded.ok) this.#offend(id, decoded.fault, text.length);
    else this.#serve(decoded.frame, timing);
  }

  /** @param clean the client said goodbye */
  closed(clean: boolean): void {
    const joining = this.#state === 'joining';
    this.#state = 'closed';
    clearTimeout(this.#helloTimer);
    this.sender.ended();
    this.#connections.remove(this);
    const { resumeGraceMs } = this.#rooms.config;
    this.#session?.end('closed', clean ? 0 : resumeGraceMs);
    // A hello under way may still adopt leases: it ends the session itself when it is done.
    if (!joining) this.#endSession();
  }

  #serve(frame: ClientFrame, timing: FrameTiming | undefined): void {
    if (frame.type === 'hello') {
      if (this.#state === 'new') void this.#answer(frame, timing, () => this.#hello(frame));
      else this.#offend(frame.id, fault('hello_required', {}, 'This connection has said hello already.'));
      return;
    }
    const session = this.#session;
    if (this.#state !== 'live' || session === undefined) this.#offend(frame.id, fault('hello_required'));
    else if (this.#underWay >= sessionLimits.maxUnderWay) this.#refuse(frame.id, tooMuch());
    else if (frame.type === 'hold' && !this.#rooms.admission.admits()) this.#turnDown(frame);
    else void this.#answer(frame, timing, () => dispatch(this.#rooms, session, frame));
  }

  /** Without a promise or a fault object: under overload most frames end here, so it must cost next to nothing. */
  #turnDown({ id }: HoldFrame): void {
    this.#rooms.metrics.replies.count('busy');
    this.#rooms.metrics.holds.ws.count('busy');
    const told = turnedDown[turnedDownCount++ % turnedDown.length];
    this.sender.send(`{"type":"error","id":${JSON.stringify(id)},${told}}`);
  }

  /** Exactly one reply, whatever happens. */
  async #answer(
    frame: ClientFrame,
    timing: FrameTiming | undefined,
    serve: () => ReturnType<typeof dispatch>,
  ): Promise<void> {
    this.#underWay += 1;
    try {
      const answer = await serve();
      timing?.replying();
      if (answer !== undefined) countOutcome(this.#rooms, frame, answer);
      if (answer?.ok === false) this.#refuse(frame.id, answer.fault);
      else this.#reply(answer?.frame);
    } catch (error) {
      timing?.replying();
      this.#refuse(frame.id, faultOf(error, this.#rooms.log, 'a frame'));
    } finally {
      timing?.replied(frame.type);
      this.#underWay -= 1;
    }
  }

  #awaitHello(): NodeJS.Timeout {
    return setTimeout(() => this.sender.close(closeCodes.noHello), limits.helloDeadlineMs);
  }

  async #hello(frame: HelloFrame) {
    // The hello came in time. How long the stores take for it must not close the socket.
    clearTimeout(this.#helloTimer);
    this.#state = 'joining';
    try {
      const user = await userOf(this.#rooms, frame);
      if (!user.ok) return this.#turnAway(user.fault, closeCodes.unauthorized);
      // The socket may have died while the token was verified.
      return this.#isClosed ? undefined : await this.#join(user.userId, frame);
    } catch (error) {
      if (!this.#isClosed) this.#helloFailed();
      throw error;
    } finally {
      if (this.#isClosed) this.#endSession();
    }
  }

  async #join(userId: string, frame: HelloFrame) {
    const { session, resumed } = openSession(this.#rooms, userId, frame, this.sender);
    const limit = this.#connections.limitReached(this, session);
    if (limit !== undefined) return this.#turnAway(fault('limit_reached', {}, limit), closeCodes.abuse);
    this.#session = session;
    this.#connections.join(session);
    const wanted = frame.leases ?? [];
    const adopted = resumed ? await adoptLeases(this.#rooms, session, wanted) : { leases: [], lost: wanted };
    if (!this.#isClosed) this.#state = 'live';
    this.#rooms.log.debug({ session: session.publicId, userId, resumed }, 'session joined');
    return { ok: true as const, frame: welcome(this.#rooms, frame, session, resumed, adopted) };
  }

  /** The reply is sent first, so that it is not lost with the socket. */
  #turnAway(refusal: Fault, code: CloseCode) {
    setImmediate(() => this.sender.close(code));
    return { ok: false as const, fault: refusal };
  }

  get #isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Leases that were adopted stay in Redis, so that hello can be repeated. */
  #helloFailed(): void {
    const session = this.#session;
    this.#state = 'new';
    this.#helloTimer = this.#awaitHello();
    this.#session = undefined;
    if (session === undefined) return;
    this.#connections.leave(session);
    session.end('superseded');
    void endSession(this.#rooms, session);
  }

  #endSession(): void {
    if (this.#session !== undefined) void endSession(this.#rooms, this.#session);
  }

  /** @param frame undefined: it was sent already */
  #reply(frame: ServerFrame | undefined): void {
    this.#rooms.metrics.replies.count('ok');
    if (frame !== undefined) this.sender.send(encode(frame));
  }

  #refuse(id: string | undefined, refusal: Fault): void {
    this.#rooms.metrics.replies.count(refusal.code);
    this.sender.send(encode({ type: 'error', ...(id === undefined ? {} : { id }), ...refusal }));
  }

  /** A refusal that a correct client never gets. Too many of them close the connection. */
  #offend(id: string | undefined, refusal: Fault, bytes = 0): void {
    this.#refuse(id, refusal);
    const offences = 1 + Math.floor(bytes / sessionLimits.offenceBytes);
    if (refusal.code === 'unauthorized') this.sender.close(closeCodes.unauthorized);
    else if (this.#offences.take(offences) > 0) this.sender.close(closeCodes.abuse);
  }
}

import type { Point } from './geometry.ts';

/** What a pointer does, in pixels of the map. */
export interface GestureHandler {
  /** Whether a drag that begins here gathers seats; otherwise it moves the map. */
  gathersFrom(at: Point): boolean;
  tap(at: Point): void;
  gatherBegins(at: Point): void;
  gatherMoves(from: Point, to: Point): void;
  gatherEnds(done: boolean): void;
  pan(dx: number, dy: number): void;
  zoom(factor: number, at: Point): void;
  hover(at: Point | undefined): void;
}

/** A hand is not a machine: less than this is a tap. */
const SLOP_PX = { mouse: 4, touch: 9 };
/** A finger that rests this long on a seat begins to gather; one that moves at once moves the map. */
const REST_MS = 320;
const WHEEL_SPEED = 0.0016;

type Mode = 'idle' | 'pressed' | 'panning' | 'gathering' | 'pinching';

/**
 * Mouse, pen and fingers on the map.
 *
 * A press that does not move is a tap. With a mouse, a drag from a seat gathers and one from the floor moves the map. With
 * fingers, one moves the map, two zoom, and one that first rests on a seat gathers.
 */
export class Gestures {
  readonly #surface: HTMLElement;
  readonly #handler: GestureHandler;
  readonly #pointers = new Map<number, Point>();
  #mode: Mode = 'idle';
  #start: Point = { x: 0, y: 0 };
  #last: Point = { x: 0, y: 0 };
  #gap = 0;
  #rest: ReturnType<typeof setTimeout> | undefined;

  constructor(surface: HTMLElement, until: AbortSignal, handler: GestureHandler) {
    const listen = { signal: until };
    this.#surface = surface;
    this.#handler = handler;
    surface.addEventListener('pointerdown', (event) => this.#down(event), listen);
    surface.addEventListener('pointermove', (event) => this.#move(event), listen);
    surface.addEventListener('pointerup', (event) => this.#up(event, true), listen);
    surface.addEventListener('pointercancel', (event) => this.#up(event, false), listen);
    surface.addEventListener('pointerleave', () => handler.hover(undefined), listen);
    surface.addEventListener('wheel', (event) => this.#wheel(event), { passive: false, signal: until });
    surface.addEventListener(
      'contextmenu',
      (event) => this.#mode !== 'idle' && event.preventDefault(),
      listen,
    );
  }

  #down(event: PointerEvent): void {
    const at = this.#at(event);
    if (event.pointerType === 'mouse' && event.button > 1) return;
    this.#pointers.set(event.pointerId, at);
    this.#surface.setPointerCapture(event.pointerId);
    if (this.#pointers.size === 2) this.#beginPinch();
    if (this.#pointers.size > 1) return;
    this.#start = this.#last = at;
    this.#mode = event.button === 1 ? 'panning' : 'pressed';
    if (event.pointerType !== 'touch' || !this.#handler.gathersFrom(at)) return;
    this.#rest = setTimeout(() => {
      if (this.#mode !== 'pressed') return;
      navigator.vibrate?.(12);
      this.#beginGathering();
    }, REST_MS);
  }

  #move(event: PointerEvent): void {
    const at = this.#at(event);
    if (!this.#pointers.has(event.pointerId)) {
      if (event.pointerType !== 'touch') this.#handler.hover(at);
      return;
    }
    this.#pointers.set(event.pointerId, at);
    switch (this.#mode) {
      case 'pressed':
        this.#mayBegin(event, at);
        break;
      case 'panning':
        this.#handler.pan(at.x - this.#last.x, at.y - this.#last.y);
        break;
      case 'gathering':
        this.#handler.gatherMoves(this.#last, at);
        break;
      case 'pinching':
        this.#pinch();
        break;
      case 'idle':
        break;
    }
    this.#last = at;
  }

  #mayBegin(event: PointerEvent, at: Point): void {
    const isTouch = event.pointerType === 'touch';
    const moved = Math.hypot(at.x - this.#start.x, at.y - this.#start.y);
    if (moved < (isTouch ? SLOP_PX.touch : SLOP_PX.mouse)) return;
    clearTimeout(this.#rest);
    if (!isTouch && this.#handler.gathersFrom(this.#start)) {
      this.#beginGathering();
      this.#handler.gatherMoves(this.#start, at);
    } else {
      this.#mode = 'panning';
      this.#handler.pan(at.x - this.#start.x, at.y - this.#start.y);
    }
  }

  #beginGathering(): void {
    this.#mode = 'gathering';
    this.#handler.gatherBegins(this.#start);
  }

  #beginPinch(): void {
    clearTimeout(this.#rest);
    if (this.#mode === 'gathering') this.#handler.gatherEnds(false);
    this.#mode = 'pinching';
    const { middle, gap } = this.#pair();
    this.#gap = gap;
    this.#start = middle;
  }

  #pinch(): void {
    const { middle, gap } = this.#pair();
    this.#handler.pan(middle.x - this.#start.x, middle.y - this.#start.y);
    if (this.#gap > 0 && gap > 0) this.#handler.zoom(gap / this.#gap, middle);
    this.#gap = gap;
    this.#start = middle;
  }

  #pair(): { middle: Point; gap: number } {
    const [a = { x: 0, y: 0 }, b = a] = [...this.#pointers.values()];
    return { middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }, gap: Math.hypot(a.x - b.x, a.y - b.y) };
  }

  #up(event: PointerEvent, done: boolean): void {
    if (!this.#pointers.delete(event.pointerId)) return;
    clearTimeout(this.#rest);
    const mode = this.#mode;
    const [left] = this.#pointers.values();
    if (left !== undefined) {
      // One finger of a pinch is up: the other goes on moving the map.
      this.#last = left;
      if (mode === 'pinching') this.#mode = 'panning';
      return;
    }
    this.#mode = 'idle';
    if (mode === 'gathering') this.#handler.gatherEnds(done);
    else if (mode === 'pressed' && done) this.#handler.tap(this.#start);
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    // A pinch on a trackpad comes as a wheel with the control key, in much smaller steps.
    const speed = WHEEL_SPEED * lines * (event.ctrlKey ? 6 : 1);
    this.#handler.zoom(Math.exp(-Math.max(-240, Math.min(240, event.deltaY)) * speed), this.#at(event));
  }

  #at(event: MouseEvent): Point {
    const { left, top } = this.#surface.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }
}

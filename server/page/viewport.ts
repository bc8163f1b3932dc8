import type { Point, Size } from './geometry.ts';

/** A seat is never drawn larger than this, in CSS pixels from one to the next. */
const MOST_SCALE = 64;
const LEAST_SCALE = 2;
/** On a small screen a whole hall would be dust: it begins with seats that a finger can hit, in the middle of the plan. */
const FINGER_SCALE = 15;

/** Where something lies over the map: what is shown whole keeps clear of it. */
export interface Insets {
  readonly top: number;
  readonly bottom: number;
}

/** Which part of the plan is on the screen: screen = plan × scale + offset. */
export class Viewport {
  readonly #plan: Size;
  #screen: Size = { width: 1, height: 1 };
  #insets: Insets = { top: 0, bottom: 0 };
  #scale = 1;
  #x = 0;
  #y = 0;
  #isFitted = true;

  constructor(plan: Size) {
    this.#plan = plan;
  }

  get scale(): number {
    return this.#scale;
  }

  /** Nobody has moved it: it goes on showing the whole plan when the window changes. */
  get isFitted(): boolean {
    return this.#isFitted;
  }

  get screen(): Size {
    return this.#screen;
  }

  toScreen({ x, y }: Point): Point {
    return { x: x * this.#scale + this.#x, y: y * this.#scale + this.#y };
  }

  toPlan({ x, y }: Point): Point {
    return { x: (x - this.#x) / this.#scale, y: (y - this.#y) / this.#scale };
  }

  resize(screen: Size, insets: Insets): void {
    const middle = this.toPlan({ x: this.#screen.width / 2, y: this.#screen.height / 2 });
    this.#screen = screen;
    this.#insets = insets;
    if (this.#isFitted) this.fit();
    else this.#centre(middle);
  }

  /** The whole plan, as large as it goes. */
  fit(): void {
    this.#scale = this.#fitting();
    this.#centre({ x: this.#plan.width / 2, y: this.#plan.height / 2 });
    this.#y += (this.#insets.top - this.#insets.bottom) / 2;
    this.#isFitted = true;
  }

  panBy(dx: number, dy: number): void {
    this.#x += dx;
    this.#y += dy;
    this.#changed();
  }

  /** Keeps the point of the plan that is at `at` where it is. */
  zoom(factor: number, at: Point): void {
    const fixed = this.toPlan(at);
    const least = Math.min(this.#fitting(), LEAST_SCALE * 4);
    this.#scale = Math.min(MOST_SCALE, Math.max(least * 0.8, this.#scale * factor));
    this.#x = at.x - fixed.x * this.#scale;
    this.#y = at.y - fixed.y * this.#scale;
    this.#changed();
  }

  /** Moves as little as it takes to have this point on the screen with room around it, and large enough to be seen. */
  reveal(point: Point, leastScale = FINGER_SCALE): boolean {
    const { width, height } = this.#screen;
    if (this.#scale < leastScale) {
      this.#scale = leastScale;
      this.#centre(point);
      this.#isFitted = false;
      return true;
    }
    const room = Math.min(width, height, 4 * this.#scale) / 4 + this.#scale;
    const { x, y } = this.toScreen(point);
    const dx = Math.max(0, room - x) || Math.min(0, width - room - x);
    const dy = Math.max(0, room - y) || Math.min(0, height - room - y);
    if (dx === 0 && dy === 0) return false;
    this.panBy(dx, dy);
    return true;
  }

  #fitting(): number {
    const height = Math.max(1, this.#screen.height - this.#insets.top - this.#insets.bottom);
    return Math.min(this.#screen.width / this.#plan.width, height / this.#plan.height, MOST_SCALE * 0.75);
  }

  #centre({ x, y }: Point): void {
    this.#x = this.#screen.width / 2 - x * this.#scale;
    this.#y = this.#screen.height / 2 - y * this.#scale;
  }

  /** The plan may be pushed around, but not away. */
  #changed(): void {
    this.#isFitted = false;
    const clamp = (offset: number, screen: number, plan: number) => {
      const size = plan * this.#scale;
      const slack = Math.min(screen, size) / 2;
      return Math.min(screen - slack, Math.max(slack - size, offset));
    };
    this.#x = clamp(this.#x, this.#screen.width, this.#plan.width);
    this.#y = clamp(this.#y, this.#screen.height, this.#plan.height);
  }
}

-- The truth: what is on sale and what is sold. Leases live in Redis and nowhere in here.
-- Ids compare byte by byte (COLLATE "C"), so that sorting them here and in JavaScript gives one order.

CREATE TYPE seat_status AS ENUM ('AVAILABLE', 'BOOKED');

CREATE TABLE shows (
  id text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Half of each page stays free: a booking changes no indexed column, so its new row version fits beside the old one (HOT)
-- and the index is left alone, even when a whole page of seats sells before the first clean-up.
CREATE TABLE seats (
  show_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  status seat_status NOT NULL DEFAULT 'AVAILABLE',
  version bigint NOT NULL DEFAULT 0,
  position integer NOT NULL,
  section text,
  "row" text,
  number integer,
  x double precision,
  y double precision,
  PRIMARY KEY (show_id, id),
  CONSTRAINT seats_version_says_status CHECK ((version % 2 = 1) = (status = 'BOOKED'))
) WITH (fillfactor = 50);

-- Every change of status raises the version in the same transaction, also when the change is made by hand.
-- Announcements carry it, so that a late one does no harm.
CREATE FUNCTION raise_seat_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := OLD.version + 1;
  RETURN NEW;
END $$;

CREATE TRIGGER seats_raise_version BEFORE UPDATE ON seats
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION raise_seat_version();

-- One row per request id that has its final outcome; rows never go and, once committed, never change.
CREATE TABLE booking_requests (
  request_id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  show_id text COLLATE "C" NOT NULL,
  seat_ids text[] COLLATE "C" NOT NULL, -- sorted: equal arrays are equal sets
  outcome text NOT NULL DEFAULT 'BOOKED',
  conflicts text[] COLLATE "C", -- TAKEN: the seats that were booked by others, for the replay of the refusal
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT booking_requests_outcome CHECK (outcome IN ('BOOKED', 'TAKEN', 'LOST')),
  CONSTRAINT booking_requests_conflicts CHECK ((outcome = 'TAKEN') = (conflicts IS NOT NULL))
);

CREATE TABLE bookings (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  show_id text COLLATE "C" NOT NULL,
  seat_id text COLLATE "C" NOT NULL,
  user_id uuid NOT NULL,
  request_id uuid NOT NULL REFERENCES booking_requests,
  created_at timestamptz NOT NULL DEFAULT now(),
  cancelled_at timestamptz,
  CONSTRAINT uq_booking_request_seat UNIQUE (request_id, seat_id)
);

-- The backstop: whatever goes wrong before, a second live booking of a seat is an error.
CREATE UNIQUE INDEX uq_booking_live_seat ON bookings (show_id, seat_id) WHERE cancelled_at IS NULL;

-- Made from the catalogs by a test; change sql/migrations and sql/functions instead.

CREATE TYPE seat_status AS ENUM ('AVAILABLE', 'BOOKED');

CREATE TABLE booking_requests (
  request_id uuid NOT NULL,
  user_id uuid NOT NULL,
  show_id text COLLATE "C" NOT NULL,
  seat_ids text[] COLLATE "C" NOT NULL,
  outcome text DEFAULT 'BOOKED'::text NOT NULL,
  conflicts text[] COLLATE "C",
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT booking_requests_conflicts CHECK (((outcome = 'TAKEN'::text) = (conflicts IS NOT NULL))),
  CONSTRAINT booking_requests_outcome CHECK ((outcome = ANY (ARRAY['BOOKED'::text, 'TAKEN'::text, 'LOST'::text]))),
  CONSTRAINT booking_requests_pkey PRIMARY KEY (request_id)
);

CREATE TABLE bookings (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  show_id text COLLATE "C" NOT NULL,
  seat_id text COLLATE "C" NOT NULL,
  user_id uuid NOT NULL,
  request_id uuid NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  cancelled_at timestamp with time zone,
  CONSTRAINT bookings_pkey PRIMARY KEY (id),
  CONSTRAINT bookings_request_id_fkey FOREIGN KEY (request_id) REFERENCES booking_requests(request_id),
  CONSTRAINT uq_booking_request_seat UNIQUE (request_id, seat_id)
);

CREATE TABLE schema_files (
  folder text NOT NULL,
  name text COLLATE "C" NOT NULL,
  digest text NOT NULL,
  run_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT schema_files_pkey PRIMARY KEY (folder, name)
);

CREATE TABLE seats (
  show_id text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  status seat_status DEFAULT 'AVAILABLE'::seat_status NOT NULL,
  version bigint DEFAULT 0 NOT NULL,
  "position" integer NOT NULL,
  section text,
  "row" text,
  number integer,
  x double precision,
  y double precision,
  CONSTRAINT seats_pkey PRIMARY KEY (show_id, id),
  CONSTRAINT seats_version_says_status CHECK ((((version % (2)::bigint) = 1) = (status = 'BOOKED'::seat_status)))
) WITH (fillfactor=50);

CREATE TABLE shows (
  id text COLLATE "C" NOT NULL,
  name text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  seat_count integer,
  CONSTRAINT shows_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX uq_booking_live_seat ON public.bookings USING btree (show_id, seat_id) WHERE (cancelled_at IS NULL);

CREATE TRIGGER seats_raise_version BEFORE UPDATE ON public.seats FOR EACH ROW WHEN ((old.status IS DISTINCT FROM new.status)) EXECUTE FUNCTION raise_seat_version();

-- FUNCTION confirm_bookings(p_show_id text, p_begin_before_ms double precision, p_request_ids uuid[], p_user_ids uuid[], p_leases text[], p_seat_ids text[], p_seat_requests integer[], p_booking_ids uuid[]) RETURNS TABLE(outcome text, replayed boolean, refunded boolean, booking_ids uuid[], conflicts text[], seat_versions bigint[], clock_ms double precision)

-- FUNCTION raise_seat_version() RETURNS trigger

-- FUNCTION refund_booking(p_request_id uuid) RETURNS TABLE(show_id text, seat_id text, version bigint)

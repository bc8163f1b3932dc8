-- Decides a batch of confirms of one show in one transaction and answers each of them.
--
-- in   p_show_id          the show of all of them
--      p_begin_before_ms  Unix ms of this server's clock: later than that nothing is begun (`late`), because the guards of
--                         the leases might end before the transaction does
--      p_request_ids, p_user_ids, p_leases
--                         one entry per request; lease: good | lost | unsure (nobody could say)
--      p_seat_ids, p_seat_requests, p_booking_ids
--                         one entry per wanted seat, SORTED BY SEAT ID: the seat, which request wants it (from 1), the id
--                         that its booking would get (minted by the caller: winners need no reply)
-- out  when everybody wins, as nearly always, one row for all of them: outcome `all_booked`, seat_versions of every wanted
--      seat as the arguments have them, clock_ms (a row for each cost the caller more than its own work for them)
--      otherwise one row per request, in order
--      outcome        booked | taken | lost (final: stored, or a replay of what was stored)
--                     mismatch | unknown_seats | unsure | blocked | late (nothing happened)
--      replayed       the outcome was there before this call
--      refunded       booked once, and given back since
--      booking_ids    of a replayed booking, in the order of its sorted seats
--      conflicts      of `taken`: the seats that were booked
--      seat_versions  the version of each wanted seat as of now, sorted by seat id; NULL: no such seat
--      clock_ms       Unix ms of this server's clock
--
-- No deadlock: seats come first, in one order and without waiting; request ids second, in one order, in one statement.
-- Needs READ COMMITTED: each statement sees what was committed before it began.
CREATE OR REPLACE FUNCTION confirm_bookings(
  p_show_id text,
  p_begin_before_ms double precision,
  p_request_ids uuid[],
  p_user_ids uuid[],
  p_leases text[],
  p_seat_ids text[],
  p_seat_requests integer[],
  p_booking_ids uuid[]
) RETURNS TABLE (
  outcome text,
  replayed boolean,
  refunded boolean,
  booking_ids uuid[],
  conflicts text[],
  seat_versions bigint[],
  clock_ms double precision
) LANGUAGE plpgsql
-- One plan, by index, whatever the statistics say. A connection keeps its plans, that of the foreign key's check included:
-- one made while a table was tiny reads the whole table once per row when it has grown (measured: 2 instead of 29 thousand/s).
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
  v_requests CONSTANT integer := cardinality(p_request_ids);
  v_locked text[];
  v_outcomes text[];
  v_conflicts text[];
  v_all_win boolean := true;
  v_spent text[] := '{}';
  v_claimed uuid[];
  v_versions bigint[];
  v_request record;
BEGIN
  IF extract(epoch FROM clock_timestamp()) * 1000 > p_begin_before_ms THEN
    RETURN QUERY SELECT 'late', false, false, NULL::uuid[], NULL::text[], NULL::bigint[],
      (extract(epoch FROM clock_timestamp()) * 1000)::double precision FROM generate_series(1, v_requests);
    RETURN;
  END IF;

  -- What is answered is on disk, whatever the database, or the role, has set. Weaker settings than `on` that wait for the own
  -- disk are the operator's. As a SET of the function it would end before the commit.
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;

  -- 1. Lock what is available, in one order. SKIP LOCKED: a stranger's lock delays nobody.
  v_locked := ARRAY(
    SELECT id FROM seats WHERE show_id = p_show_id AND id = ANY (p_seat_ids) AND status = 'AVAILABLE'
    ORDER BY id FOR UPDATE SKIP LOCKED);

  -- 2. Who wins? Nearly always everybody: as many locks as wishes also means that no seat is wanted twice.
  v_outcomes := array_fill('booked'::text, ARRAY[v_requests]);
  IF cardinality(v_locked) < cardinality(p_seat_ids) OR 'good' <> ANY (p_leases) THEN
    v_all_win := false;
    SELECT array_agg(outcome ORDER BY n), array_agg(CASE outcome WHEN 'taken' THEN booked::text END ORDER BY n)
    INTO v_outcomes, v_conflicts
    FROM (
      SELECT n, booked, CASE
        WHEN known THEN 'known'
        WHEN missing THEN 'unknown_seats'
        WHEN booked IS NOT NULL THEN 'taken'
        WHEN p_leases[n] <> 'good' THEN p_leases[n]
        WHEN locked THEN 'booked'
        ELSE 'blocked' END AS outcome
      FROM (
        SELECT w.n, k.request_id IS NOT NULL AS known, bool_or(s.id IS NULL) AS missing,
          array_agg(w.seat_id ORDER BY w.seat_id COLLATE "C") FILTER (WHERE s.status = 'BOOKED') AS booked,
          bool_and(w.seat_id = ANY (v_locked)) AS locked
        FROM unnest(p_seat_ids, p_seat_requests) AS w (seat_id, n)
        LEFT JOIN seats s ON s.show_id = p_show_id AND s.id = w.seat_id
        LEFT JOIN booking_requests k ON k.request_id = p_request_ids[w.n]
        GROUP BY w.n, k.request_id) r) d;

    -- Of those that could win, does anyone want another's seat? Hardly ever, for a good lease is one; walking every request
    -- of a batch in which one row is locked (the rival) took a tenth longer.
    IF EXISTS (SELECT FROM unnest(p_seat_ids, p_seat_requests) AS w (seat_id, n)
      WHERE v_outcomes[n] = 'booked' GROUP BY seat_id HAVING count(*) > 1)
    THEN
      FOR v_request IN
        SELECT n, array_agg(seat_id) AS seats FROM unnest(p_seat_ids, p_seat_requests) AS w (seat_id, n)
        WHERE v_outcomes[n] = 'booked' GROUP BY n ORDER BY n
      LOOP
        -- Beaten by an earlier winner of this batch: not refused but blocked, for that winner may yet lose its id in step 3.
        IF v_request.seats && v_spent THEN v_outcomes[v_request.n] := 'blocked';
        ELSE v_spent := v_spent || v_request.seats;
        END IF;
      END LOOP;
    END IF;
  END IF;

  -- 3. Claim the ids of everyone whose outcome is final, refusals too: an earlier attempt that still hangs somewhere then
  -- finds its outcome and books nothing. Winners and refusals in one sorted statement: a second round of claims could
  -- meet a twin that claims the same two ids the other way round.
  WITH claimed AS (
    INSERT INTO booking_requests (request_id, user_id, show_id, seat_ids, outcome, conflicts)
    SELECT p_request_ids[n], p_user_ids[n], p_show_id, array_agg(seat_id ORDER BY seat_id COLLATE "C"),
      upper(v_outcomes[n]), v_conflicts[n]::text[]
    FROM unnest(p_seat_ids, p_seat_requests) AS w (seat_id, n)
    WHERE v_outcomes[n] IN ('booked', 'taken', 'lost')
    GROUP BY n ORDER BY p_request_ids[n], n
    ON CONFLICT DO NOTHING RETURNING request_id)
  SELECT array_agg(request_id) INTO v_claimed FROM claimed;

  IF NOT v_all_win OR cardinality(v_claimed) IS DISTINCT FROM v_requests THEN
    v_all_win := false;
    -- Who did not get its id has used it before, here or in a twin that has just committed. Of two in one batch, the first got it.
    SELECT array_agg(CASE WHEN final AND NOT (first AND id = ANY (coalesce(v_claimed, '{}'))) THEN 'known' ELSE o END ORDER BY n)
    INTO v_outcomes
    FROM (SELECT n, id, o, final, n = min(n) FILTER (WHERE final) OVER (PARTITION BY id) AS first
      FROM unnest(p_request_ids, v_outcomes) WITH ORDINALITY AS d (id, o, n),
        LATERAL (SELECT o IN ('booked', 'taken', 'lost') AS final) f) d;
  END IF;

  -- 4. Book. The arrays are the winners' alone from here on, unless everybody won.
  IF v_all_win THEN
    WITH booked AS (
      UPDATE seats SET status = 'BOOKED' WHERE show_id = p_show_id AND id = ANY (p_seat_ids) RETURNING id, version)
    SELECT array_agg(version ORDER BY id) INTO v_versions FROM booked;
    INSERT INTO bookings (id, show_id, seat_id, user_id, request_id)
    SELECT booking_id, p_show_id, seat_id, p_user_ids[n], p_request_ids[n]
    FROM unnest(p_booking_ids, p_seat_ids, p_seat_requests) AS w (booking_id, seat_id, n);

    RETURN QUERY SELECT 'all_booked', false, false, NULL::uuid[], NULL::text[], v_versions,
      (extract(epoch FROM clock_timestamp()) * 1000)::double precision;
    RETURN;
  END IF;

  UPDATE seats SET status = 'BOOKED' WHERE show_id = p_show_id AND id = ANY (ARRAY(
    SELECT seat_id FROM unnest(p_seat_ids, p_seat_requests) AS w (seat_id, n) WHERE v_outcomes[n] = 'booked'));
  INSERT INTO bookings (id, show_id, seat_id, user_id, request_id)
  SELECT booking_id, p_show_id, seat_id, p_user_ids[n], p_request_ids[n]
  FROM unnest(p_booking_ids, p_seat_ids, p_seat_requests) AS w (booking_id, seat_id, n) WHERE v_outcomes[n] = 'booked';

  -- 5. Everybody else, in one new statement that sees all commits: a known id is a replay when all of it is the same.
  RETURN QUERY
  WITH wanted AS (
    SELECT n, array_agg(w.seat_id ORDER BY w.seat_id COLLATE "C") AS seats,
      array_agg(s.version ORDER BY w.seat_id COLLATE "C") AS versions
    FROM unnest(p_seat_ids, p_seat_requests) AS w (seat_id, n)
    LEFT JOIN seats s ON s.show_id = p_show_id AND s.id = w.seat_id
    GROUP BY n
  )
  SELECT
    CASE WHEN k.request_id IS NULL THEN v_outcomes[n] WHEN k.same THEN lower(k.outcome) ELSE 'mismatch' END,
    coalesce(k.same, false),
    coalesce(k.same AND b.refunded, false),
    CASE WHEN k.same THEN b.ids END,
    CASE WHEN k.request_id IS NULL THEN v_conflicts[n]::text[] WHEN k.same THEN k.conflicts END,
    versions,
    (extract(epoch FROM clock_timestamp()) * 1000)::double precision
  FROM wanted
  LEFT JOIN LATERAL (
    SELECT r.*, (r.user_id, r.show_id, r.seat_ids) = (p_user_ids[n], p_show_id, seats) AS same
    FROM booking_requests r WHERE v_outcomes[n] = 'known' AND r.request_id = p_request_ids[n]
  ) k ON true
  LEFT JOIN LATERAL (
    SELECT array_agg(id ORDER BY seat_id) AS ids, bool_or(cancelled_at IS NOT NULL) AS refunded
    FROM bookings WHERE request_id = k.request_id
  ) b ON true
  ORDER BY n;
END $$;

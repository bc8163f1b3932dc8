-- Gives back the seats of a booking. Repeating it changes nothing.
--
-- in   p_request_id
-- out  one row per seat of the booking, with the show and the seat's version as of now; none: no such booking
--
-- Seats first, as everywhere: it may wait for a confirm's seats but holds nothing that a confirm waits for.
CREATE OR REPLACE FUNCTION refund_booking(p_request_id uuid)
RETURNS TABLE (show_id text, seat_id text, version bigint) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan -- as confirm_bookings does
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
  v_request booking_requests;
  v_freed text[];
BEGIN
  -- As confirm_bookings does: what is answered is on disk.
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;

  SELECT * INTO v_request FROM booking_requests WHERE request_id = p_request_id AND outcome = 'BOOKED';
  PERFORM FROM seats WHERE show_id = v_request.show_id AND id = ANY (v_request.seat_ids) ORDER BY id FOR UPDATE;

  WITH cancelled AS (
    UPDATE bookings SET cancelled_at = now() WHERE request_id = p_request_id AND cancelled_at IS NULL RETURNING seat_id)
  SELECT array_agg(seat_id) INTO v_freed FROM cancelled;
  -- Only what this call cancelled: after an earlier refund the seat may be somebody else's.
  UPDATE seats SET status = 'AVAILABLE' WHERE show_id = v_request.show_id AND id = ANY (v_freed);

  RETURN QUERY SELECT show_id, id, version FROM seats
    WHERE show_id = v_request.show_id AND id = ANY (v_request.seat_ids) ORDER BY id;
END $$;

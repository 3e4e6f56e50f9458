/*
 * The traces of traces.c on Resilience4j's breaker: after every step both must have let the same calls through and be in the same
 * state with the same figures. Where ours is meant to differ, the trace is counted under that difference and given up:
 *
 *     a success    that was not slow does not open ours
 *     the edge     ours lets the first probe through at the millisecond that ends the open time, the other one after it
 *     few probes   with minimum_calls below half_open_calls the other one decides after minimum_calls probes
 *
 * Late answers, of calls that were admitted before the last change of state, are not told to the other one, which would take them
 * for new ones. A difference that is none of these is printed, and the exit status is 1. `Replay LIMIT` stops after that many.
 */
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.core.IntervalFunction;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

public class Replay {
	static class ScriptedClock extends Clock {
		long nowMs = 1_700_000_000_000L; /* a whole second, as ours is born in one */

		@Override
		public Instant instant() {
			return Instant.ofEpochMilli(nowMs);
		}

		@Override
		public ZoneId getZone() {
			return ZoneOffset.UTC;
		}

		@Override
		public Clock withZone(ZoneId zone) {
			return this;
		}
	}

	static final long SLOW_CALL_MS = 100; /* as in every trace */
	static final Exception FAILURE = new Exception("failed");

	final ScriptedClock clock = new ScriptedClock();
	final CircuitBreaker breaker;
	final boolean isCount;
	final int minimum, halfOpenCalls;
	final int[] generations = new int[12];
	int generation;
	long openUntilMs;

	Replay(String[] words) {
		int[] numbers = new int[10];
		for (int i = 1; i < words.length; i++)
			numbers[i] = Integer.parseInt(words[i]);
		isCount = numbers[1] == 1;
		minimum = numbers[3];
		halfOpenCalls = numbers[9];
		long openFor = numbers[7], openForMax = Math.max(numbers[8], openFor);
		IntervalFunction interval = attempt -> Math.min(openFor << Math.min(attempt - 1, 15), openForMax);
		CircuitBreakerConfig config = CircuitBreakerConfig.custom()
			.slidingWindowSize(isCount ? numbers[2] : numbers[2] / 1000)
			.slidingWindowType(isCount ? CircuitBreakerConfig.SlidingWindowType.COUNT_BASED
				: CircuitBreakerConfig.SlidingWindowType.TIME_BASED)
			.minimumNumberOfCalls(minimum)
			.failureRateThreshold(numbers[4])
			.slowCallDurationThreshold(Duration.ofMillis(numbers[5]))
			.slowCallRateThreshold(numbers[6])
			.waitIntervalFunctionInOpenState(interval)
			.permittedNumberOfCallsInHalfOpenState(halfOpenCalls)
			.clock(clock)
			.build();
		breaker = CircuitBreaker.of("traces", config);
		breaker.getEventPublisher().onStateTransition(event -> {
			generation++;
			if (event.getStateTransition().getToState() == CircuitBreaker.State.OPEN)
				openUntilMs = clock.nowMs + interval.apply(++openings);
			else if (event.getStateTransition().getToState() != CircuitBreaker.State.HALF_OPEN)
				openings = 0;
		});
	}

	int openings;

	void force(String state) {
		if (state.equals(breaker.getState().name().toLowerCase()) && !state.equals("closed"))
			return;
		switch (state) {
		case "closed":
			if (breaker.getState() == CircuitBreaker.State.CLOSED)
				generation++; /* it begins anew, but says nothing */
			breaker.transitionToClosedState();
			break;
		case "forced_open":
			breaker.transitionToForcedOpenState();
			break;
		case "disabled":
			breaker.transitionToDisabledState();
			break;
		default:
			breaker.transitionToMetricsOnlyState();
		}
	}

	boolean admit(int place) {
		boolean isAdmitted = breaker.tryAcquirePermission();
		generations[place] = generation;
		return isAdmitted;
	}

	void settle(int place, int verdict, long tookMs) {
		if (generations[place] != generation)
			return;
		if (verdict == 0)
			breaker.onSuccess(tookMs, TimeUnit.MILLISECONDS);
		else if (verdict == 1)
			breaker.onError(tookMs, TimeUnit.MILLISECONDS, FAILURE);
		else
			breaker.releasePermission();
	}

	String state() {
		return breaker.getState().name().toLowerCase();
	}

	/* While open, the other one's time window goes on losing what it opened for. */
	boolean isSameFigures(String state, int calls, int failures, int slow) {
		CircuitBreaker.Metrics metrics = breaker.getMetrics();

		if (state.equals("open") && !isCount)
			return true;
		return metrics.getNumberOfBufferedCalls() == calls && metrics.getNumberOfFailedCalls() == failures
			&& metrics.getNumberOfSlowCalls() == slow;
	}

	/* null: none; "": one that must not be. */
	String step(String[] words) {
		int at = words.length - 5;
		String stateBefore = state(), theirs = words[at + 1];
		boolean isAdmitted = false;

		clock.nowMs += Long.parseLong(words[1]);
		switch (words[0]) {
		case "F":
			force(words[2]);
			break;
		case "A":
			isAdmitted = admit(Integer.parseInt(words[2]));
			break;
		default:
			settle(Integer.parseInt(words[2]), Integer.parseInt(words[3]), Long.parseLong(words[4]));
		}
		if (isAdmitted == words[at].equals("1") && state().equals(theirs)
			&& isSameFigures(theirs, Integer.parseInt(words[at + 2]), Integer.parseInt(words[at + 3]),
				Integer.parseInt(words[at + 4])))
			return null;
		if (words[0].equals("S") && words[3].equals("0") && Long.parseLong(words[4]) <= SLOW_CALL_MS && stateBefore.equals("closed")
			&& state().equals("open") && theirs.equals("closed"))
			return "a success";
		if (words[0].equals("A") && stateBefore.equals("open") && clock.nowMs == openUntilMs && state().equals("open")
			&& theirs.equals("half_open"))
			return "the edge";
		if (words[0].equals("S") && stateBefore.equals("half_open") && minimum < halfOpenCalls
			&& theirs.equals("half_open"))
			return "few probes";
		return "";
	}

	public static void main(String[] arguments) throws IOException {
		int limit = arguments.length > 0 ? Integer.parseInt(arguments[0]) : Integer.MAX_VALUE;
		BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
		Map<String, Integer> differences = new TreeMap<>();
		int traces = 0, steps = 0, found = 0;
		Replay replay = null;
		StringBuilder lived = new StringBuilder();

		for (String line; (line = input.readLine()) != null && found < limit;) {
			String[] words = line.split(" ");
			if (words[0].equals("N")) {
				replay = new Replay(words);
				lived.setLength(0);
				traces++;
			} else if (replay != null) {
				String difference = replay.step(words);
				steps++;
				lived.append(line).append('\n');
				if (difference == null)
					continue;
				if (!difference.isEmpty()) {
					differences.merge(difference, 1, Integer::sum);
				} else {
					CircuitBreaker.Metrics metrics = replay.breaker.getMetrics();
					String[] lines = lived.toString().split("\n");
					found++;
					for (int i = Math.max(0, lines.length - 12); i < lines.length; i++)
						System.out.println(lines[i]);
					System.out.println("Resilience4j: " + replay.state() + " " + metrics.getNumberOfBufferedCalls() + " "
						+ metrics.getNumberOfFailedCalls() + " " + metrics.getNumberOfSlowCalls() + "\n");
				}
				replay = null;
			}
		}
		System.out.println(traces + " traces, " + steps + " steps, " + found + " differences that must not be; given up at "
			+ differences);
		System.exit(found > 0 ? 1 : 0);
	}
}

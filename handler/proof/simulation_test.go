package proof

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var (
	seed    = flag.Uint64("seed", 0, "replay the world of this seed only")
	seeds   = flag.Int("seeds", 40, "how many worlds to simulate")
	long    = flag.Bool("long", false, "all crash points, and more records on the way to them")
	minutes = flag.Float64("minutes", 0, "go on with further seeds for so long")
)

// scenario is the world of a seed: an API, faults, deaths, all drawn.
func scenario(t *testing.T, seed uint64) Scenario {
	r := rand.New(rand.NewPCG(seed, 2))
	chance := func(most float64) float64 {
		if r.IntN(4) == 0 {
			return 0
		}
		return r.Float64() * most
	}
	sc := Scenario{Seed: seed, Records: 30 + r.IntN(250), Behind: time.Duration(r.IntN(300)) * time.Minute,
		ProviderFaults: chance(0.3), StoreFaults: chance(0.1), SinkFaults: chance(0.3), Deaths: chance(0.03), Freezes: chance(0.005),
		Processes: 1 + r.IntN(2), Every: time.Duration(1+r.IntN(10)) * time.Minute, Budget: time.Duration(20+r.IntN(220)) * time.Second,
		BatchBytes: 700 + r.IntN(4000), InFlight: 1 + r.IntN(3)}
	sc.Span = sc.Behind + time.Duration(20+r.IntN(200))*time.Minute
	for _, service := range []string{"provider", "store", "sink", "rule"} {
		if r.IntN(5) == 0 {
			from := time.Duration(r.IntN(60)) * time.Minute
			sc.Outages = append(sc.Outages, Outage{service, from, from + time.Duration(r.IntN(90))*time.Minute})
		}
	}
	if r.IntN(3) == 0 {
		sc.API = Connectors(t)[r.IntN(3)]
	} else {
		sc.API = Synthetic(t, randomKnobs(r))
	}
	switch r.IntN(6) {
	case 0:
		sc.Folder = t.TempDir()
	case 1:
		sc.Damage = 0.03
	case 2:
		if sc.API.claims == "" && sc.API.stream().Position.Type == "window" { // nothing else can be asked for by its time
			sc.Forgotten, sc.TooLate = 0.1, 0.1
		}
	}
	if sc.API.stream().Paging.Size > 0 && sc.API.maxPages == 0 && r.IntN(2) == 0 {
		sc.Resize = time.Duration(r.IntN(120)) * time.Minute
	}
	if sc.API.stream().Job != nil {
		sc.Budget += 2 * time.Minute // so that a run sees the end of a job
	}
	if lag := time.Duration(sc.API.stream().Position.Lag); lag > 0 {
		sc.Skew = min(time.Duration(r.IntN(120)-60)*time.Second, lag)
	}
	return sc
}

// TestSimulation runs worlds full of faults and deaths.
func TestSimulation(t *testing.T) {
	if *seed != 0 {
		sc := scenario(t, *seed)
		t.Logf("%+v %s", sc, sc.API.Name)
		report(t, Simulate(t, sc))
		return
	}
	var total Result
	total.Faults = map[string]int{}
	ends := time.Now().Add(time.Duration(*minutes * float64(time.Minute)))
	n := uint64(0)
	for n < uint64(*seeds) || time.Now().Before(ends) {
		n++
		res := Simulate(t, scenario(t, n))
		total.add(res)
		report(t, res)
		if len(total.Problems) > 3 {
			break
		}
	}
	t.Logf("%d seeds: %d calls, %d runs, %d deaths, %d freezes, %d faults of %d kinds; %d records, %d rows, %d of them came again; %d forgotten by the endpoint or listed too late, and named",
		n, total.Calls, total.Runs, total.Deaths, total.Freezes, total.count(), len(total.Faults), total.Records, total.Rows, total.Repeats, total.Missing)
}

func report(t *testing.T, r Result) {
	t.Helper()
	if len(r.Problems) > 0 {
		t.Errorf("seed %d:\n  %s\n  replay it with: %s", r.Seed, strings.Join(r.Problems, "\n  "), r.Replay())
	}
}

func (r *Result) add(o Result) {
	r.Calls += o.Calls
	r.Runs += o.Runs
	r.Deaths += o.Deaths
	r.Freezes += o.Freezes
	r.Records += o.Records
	r.Rows += o.Rows
	r.Repeats += o.Repeats
	r.Missing += o.Missing
	r.Problems = append(r.Problems, o.Problems...)
	for k, v := range o.Faults {
		r.Faults[k] += v
	}
}

func (r *Result) count() (n int) {
	for _, v := range r.Faults {
		n += v
	}
	return n
}

// TestAWorldFollowsFromItsSeed: a failing seed can be replayed call by call.
func TestAWorldFollowsFromItsSeed(t *testing.T) {
	for n := uint64(1); n <= 6; n++ {
		a, b := Simulate(t, scenario(t, n)), Simulate(t, scenario(t, n))
		if a.Trace != b.Trace || a.Calls != b.Calls {
			t.Errorf("seed %d: %d calls with the digest %s, in a replay %d with %s", n, a.Calls, a.Trace, b.Calls, b.Trace)
		}
	}
}

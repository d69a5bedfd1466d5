// Package proof runs Sluice in a simulated world and asks an oracle outside of
// it whether anything was lost.
//
// Engine, store, sink and source are the production code, unchanged. What they
// talk to is simulated: a provider, a blob service, an ingestion endpoint, the
// clock, and the death of the process. Every call of the outside world waits
// for its turn, and a generator of random numbers decides whose turn it is,
// what goes wrong, and how long it takes; so a world follows from its seed
// alone and can be replayed.
//
// The oracle knows every record that the provider has and every row that the
// endpoint took. It looks at each checkpoint at the moment it is written: what
// the checkpoint claims to be done has to be done.
package proof

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// Scenario says what happens in a world. The zero value is a quiet one.
type Scenario struct {
	Seed uint64
	API  *API // what is collected, and how the provider speaks

	Records int           // that the provider has in the end
	Span    time.Duration // the time in which they happen
	Behind  time.Duration // how far the first run reaches back

	// How often calls go wrong, 0 to 1.
	ProviderFaults, StoreFaults, SinkFaults float64
	// Outages are times at which a service fails all calls.
	Outages []Outage

	Crash      *CrashPoint   // one death, at one call
	Deaths     float64       // the chance of a call to be a process's last
	Freezes    float64       // the chance of a call to be slept over for minutes
	Processes  int           // that want to run the stream, 1 by default
	Every      time.Duration // between runs
	Budget     time.Duration // of a run
	BatchBytes int
	InFlight   int
	Folder     string        // keep state there instead of in the blob service
	Damage     float64       // the chance of a checkpoint to be garbled after it was written
	Skew       time.Duration // how far our clock is ahead of the provider's and the sink's, until the calm
	Resize     time.Duration // when the size of pages is changed, after the world's beginning; 0: never
	// What no collector can see at once, and reconcile has to name: calls that the
	// endpoint acknowledges and forgets, records that are listed later than the
	// stream allows for.
	Forgotten, TooLate float64
}

// CrashPoint is the n-th call of the outside world, before or after it took effect.
type CrashPoint struct {
	Call  int
	After bool
}

// Outage is a time in which a service fails every call.
type Outage struct {
	Service  string // provider, store, sink; rule: the sink refuses the content of all calls
	From, To time.Duration
}

// Result is what a world saw.
type Result struct {
	Seed     uint64
	Trace    string // the digest of all calls; equal for a replay
	Calls    int
	Runs     int
	Deaths   int
	Freezes  int
	Faults   map[string]int
	Records  int           // issued by the provider
	Rows     int           // accepted
	Repeats  int           // rows accepted more than once
	Lanes    int           // that had a checkpoint
	Missing  int           // named by reconcile
	Slowest  time.Duration // from a record's being there to its row; not of those from before the start or an outage's end
	Problems []string
}

// Simulate runs a world to its end. What the oracle finds is in Problems.
func Simulate(t *testing.T, sc Scenario) (res Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sc)
		go w.direct()
		w.schedule()
		time.Sleep(time.Hour) // what still waits for a timer, such as that of a dead process's request, ends
		res = w.result()
	})
	return res
}

// Replay is the command that runs the world of a seed again.
func (r Result) Replay() string {
	return fmt.Sprintf("go test ./handler/proof -run 'TestSimulation$' -seed %d -v", r.Seed)
}

// World is a simulated world.
type World struct {
	Scenario
	t   *testing.T
	rng *rand.Rand

	start    time.Time // of the stream
	began    time.Time // of the world
	end      time.Time // the storm is over
	provider *provider
	blobs    *Blobs
	sink     *Ingestion
	oracle   *oracle

	calm      atomic.Bool // no more faults
	processes int
	deaths    int
	freezes   int
	faults    map[string]int
	calls     int
	digest    uint64

	scheduler
}

func newWorld(t *testing.T, sc Scenario) *World {
	seedSDK(sc.Seed)
	w := &World{Scenario: sc, t: t, rng: rand.New(rand.NewPCG(sc.Seed, 0x51ce)), faults: map[string]int{}}
	w.Processes, w.InFlight = max(sc.Processes, 1), max(sc.InFlight, 1)
	w.Every, w.Budget = cmp.Or(sc.Every, 5*time.Minute), cmp.Or(sc.Budget, 4*time.Minute)
	w.BatchBytes = cmp.Or(sc.BatchBytes, 2000)
	w.wake = make(chan struct{}, 1)
	// The bubble's clock begins in the year 2000, at midnight.
	w.began = time.Now().UTC()
	w.start = w.began.Add(-sc.Behind)
	w.end = w.start.Add(sc.Span)
	if w.end.Before(w.began.Add(10 * time.Minute)) {
		w.end = w.began.Add(10 * time.Minute)
	}
	w.oracle = newOracle(w)
	w.provider = newProvider(w)
	w.blobs = NewBlobs()
	w.blobs.wrote = w.oracle.wrote
	w.sink = NewIngestion(map[string]bool{sc.API.table().Name: true, healthTable: true})
	w.sink.offered, w.sink.accepted, w.sink.now = w.oracle.offered, w.oracle.accepted, w.provider.now
	return w
}

// direct is the plot: a storm, and then a calm in which everything has to come right.
func (w *World) direct() {
	defer w.finish()
	for i := range w.Processes {
		w.spawn(time.Duration(i) * 17 * time.Second)
	}
	time.Sleep(time.Until(w.end) + time.Nanosecond) // not at the moment at which a run may begin
	w.calm.Store(true)
	w.nudge()
	w.running.Wait()
	all := w.provider.allThere()
	runs := 40 + w.Records // a run may have to wait for a dead holder's lease, or get one page before it is throttled
	for range runs {
		rep, ok := w.once()
		if ok && rep.Outcome == engine.OK && w.listed(rep).After(all) && len(rep.Gaps) == 0 && w.oracle.caughtUp() {
			w.oracle.final()
			if !w.oracle.deleted {
				w.reconcile()
			}
			return
		}
		time.Sleep(w.Every)
	}
	w.oracle.problem("liveness: %d runs after all faults stopped the stream has not caught up: %s", runs, w.oracle.last)
}

// listed is the time of the last listing: of a snapshot, not every run makes one.
func (w *World) listed(rep engine.Report) time.Time {
	if w.API.stream().Position.Type == "snapshot" {
		return rep.Position
	}
	return rep.Started
}

// isNew reports whether a record was there only when all services were, and two
// runs had noticed.
func (w *World) isNew(r *record) bool {
	since := r.there.Sub(w.began)
	for _, o := range w.Outages {
		if since < o.To+2*w.Every {
			return false
		}
	}
	return since > 0
}

func (w *World) result() Result {
	o := w.oracle
	return Result{Lanes: len(o.lanes), Seed: w.Seed, Trace: fmt.Sprintf("%016x", w.digest), Calls: w.calls, Runs: o.runs, Deaths: w.deaths, Freezes: w.freezes, Faults: w.faults,
		Records: len(w.provider.records), Rows: o.rows, Repeats: o.repeats(), Missing: o.missing, Slowest: o.slowest, Problems: o.problems}
}

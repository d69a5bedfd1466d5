package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/memory"
)

// timedSink tells that the clock is wrong.
type timedSink struct {
	*memory.Sink
	wrong error
}

func (s *timedSink) CheckClock(context.Context) error { return s.wrong }

// TestAWindowWithoutRecordsIsNotBelievedByAWrongClock: when the provider does not
// tell the time, and nothing is sent that would show it.
func TestAWindowWithoutRecordsIsNotBelievedByAWrongClock(t *testing.T) {
	b := newBench([]string{})
	sink := &timedSink{b.sink, &engine.Error{Kind: engine.Permanent, Op: "send rows", Reason: "clock_wrong"}}
	b.Sink = sink
	if rep := b.run(t, engine.Failed); rep.Reason != "clock_wrong" || len(b.src.Asked) > 0 {
		t.Errorf("report %+v after %d requests", rep, len(b.src.Asked))
	}
	if c := b.checkpoint(t); !c.Position.Equal(noon.Add(-time.Hour)) || c.Lease != nil {
		t.Errorf("checkpoint %+v", c)
	}
	sink.wrong = nil
	b.run(t, engine.OK)
}

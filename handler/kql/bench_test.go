package kql

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// oktaRecords are real records, one after the other.
func oktaRecords(b *testing.B) [][]byte {
	b.Helper()
	data, err := os.ReadFile(filepath.Join(shared, "samples", "okta", "system_log.json"))
	if err != nil {
		b.Skip("the samples are not at hand")
	}
	var recs []json.RawMessage
	if err := json.Unmarshal(data, &recs); err != nil {
		b.Fatal(err)
	}
	out := make([][]byte, len(recs))
	for i, r := range recs {
		out[i] = r
	}
	return out
}

// BenchmarkOkta runs the transform of Microsoft's Okta connector (57 columns).
func BenchmarkOkta(b *testing.B) {
	recs := oktaRecords(b)
	data, err := os.ReadFile(filepath.Join(shared, "ccf", "_parts", "okta-sso-v2.dcr.json"))
	if err != nil {
		b.Fatal(err)
	}
	var rules []struct {
		Properties struct {
			DataFlows []struct{ TransformKql string }
		}
	}
	if err := json.Unmarshal(data, &rules); err != nil {
		b.Fatal(err)
	}
	p, err := Compile(rules[0].Properties.DataFlows[0].TransformKql, Options{})
	if err != nil {
		b.Fatal(err)
	}
	run(b, p, recs)
}

// BenchmarkPlain copies five plain columns.
func BenchmarkPlain(b *testing.B) {
	p, err := Compile("source | project a = tostring(actor.alternateId), b = tostring(client.ipAddress), c = tostring(eventType), d = tostring(uuid), t = tostring(published)", Options{})
	if err != nil {
		b.Fatal(err)
	}
	run(b, p, oktaRecords(b))
}

// BenchmarkMaps decodes into maps, as a comparison: no row is made.
func BenchmarkMaps(b *testing.B) {
	recs := oktaRecords(b)
	size := 0
	for _, r := range recs {
		size += len(r)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range recs {
			var m map[string]any
			if err := json.Unmarshal(r, &m); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(recs)), "ns/record")
}

func run(b *testing.B, p *Program, recs [][]byte) {
	b.Helper()
	m := p.Runner()
	var row []byte
	size := 0
	for _, r := range recs {
		size += len(r)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range recs {
			var err error
			if _, row, err = m.Map(r, row[:0]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(recs)), "ns/record")
}

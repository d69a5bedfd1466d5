package kql

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// oktaRecords are real records, one after the other.
func oktaRecords(b *testing.B) [][]byte {
	b.Helper()
	data, err := os.ReadFile(filepath.Join(shared, "samples", "okta", "system_log.json"))
	if err != nil {
		b.Skip(noSamples)
	}
	var recs []json.RawMessage
	if err := json.Unmarshal(data, &recs); err != nil {
		b.Fatal(err)
	}
	return asBytes(recs)
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

// BenchmarkComputed makes columns of the kinds that normalization has: choices,
// parts of texts, patterns, lists, times.
func BenchmarkComputed(b *testing.B) {
	p, err := Compile(`let levels = parse_json('{"INFO":"Informational","WARN":"Medium","ERROR":"High"}');
source
| where eventType !startswith "system.noise" and tostring(outcome.result) in~ ("success", "failure", "allow", "deny", "challenge", "skipped", "unknown")
| parse tostring(client.userAgent.rawUserAgent) with * "(" Platform ")" *
| project TimeGenerated = todatetime(published), Day = startofday(todatetime(published)), Severity = tostring(levels[severity]),
    Domain = tostring(split(actor.alternateId, "@")[1]), User = tolower(actor.alternateId), Full = strcat(actor.displayName, " <", actor.alternateId, ">"),
    Result = case(outcome.result == "SUCCESS", "Success", outcome.result == "ALLOW", "Success", "Failure"), Lat = toreal(client.geographicalContext.geolocation.lat),
    Targets = array_length(target), FirstTarget = tostring(target[0].alternateId), Version = extract("/([0-9.]+)", 1, client.userAgent.rawUserAgent),
    Private = ipv4_is_private(client.ipAddress), Where = bag_pack("city", client.geographicalContext.city, "country", client.geographicalContext.country),
    Message = replace_string(displayMessage, "user", "account"), Age = datetime_diff("day", now(), todatetime(published)), Platform`, Options{})
	if err != nil {
		b.Fatal(err)
	}
	run(b, p, oktaRecords(b))
}

// TestPlainColumnsAllocateNothing holds what the benchmarks measure.
func TestPlainColumnsAllocateNothing(t *testing.T) {
	for query, most := range map[string]float64{
		`source | project a = tostring(a.b), n = toint(a.n), t = todatetime(t), s, big, m = unixtime_milliseconds_todatetime(tolong(ms))`:                                                                                           0,
		`source | where s has "world" | project a = tolower(s), b = iff(a.n > 5, "x", s), c = strcat(a.b, "-", s), d = case(s == "a", 1, 2), e = s in ("x", "y")`:                                                                   0,
		`source | project split(s, " "), bag_pack("k", s), pack_array(1, s), substring(s, 2), datetime_add("day", 1, todatetime(t)), format_datetime(todatetime(t), "yyyy"), replace_string(s, "o", "0"), hash_sha256(tostring(s))`: 2,
	} {
		p, err := Compile(query, Options{})
		if err != nil {
			t.Fatal(err)
		}
		m, row := p.Runner(), make([]byte, 0, 4096)
		rec := []byte(record)
		if n := testing.AllocsPerRun(100, func() { _, row, _ = m.Map(rec, row[:0]) }); n > most {
			t.Errorf("%s: %v allocations a record, want at most %v", query, n, most)
		}
	}
}

// BenchmarkSamples passes the first columns of other providers' records through.
func BenchmarkSamples(b *testing.B) {
	for _, name := range []string{"okta/system_log.json", "auth0/logs.json", "cloudflare/http_requests.json", "sentinelone/activities.json", "proofpoint-tap/messages_blocked.json", "trend-vision-one/oat.json"} {
		data, err := os.ReadFile(filepath.Join(shared, "samples", filepath.FromSlash(name)))
		if err != nil {
			continue // another set of samples
		}
		var recs []json.RawMessage
		if err := json.Unmarshal(data, &recs); err != nil || len(recs) == 0 {
			continue
		}
		p, err := Compile("source", Options{Source: firstColumns(b, recs[0]), Rest: true})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) { run(b, p, asBytes(recs)) })
	}
}

// firstColumns declares the members of a record as text columns.
func firstColumns(b *testing.B, rec []byte) []Column {
	b.Helper()
	var cols []Column
	eachMember(rec[scan.Space(rec, 0):], func(name, _ []byte) { cols = append(cols, Column{string(name), String}) })
	return cols
}

func asBytes(recs []json.RawMessage) [][]byte {
	out := make([][]byte, len(recs))
	for i, r := range recs {
		out[i] = r
	}
	return out
}

// BenchmarkMaps decodes into maps, as a comparison: no row is made.
func BenchmarkMaps(b *testing.B) { decode(b, json.Unmarshal) }

// decode reads records into maps.
func decode(b *testing.B, unmarshal func([]byte, any) error) {
	b.Helper()
	recs := oktaRecords(b)
	measure(b, recs, func(rec []byte) error {
		var m map[string]any
		return unmarshal(rec, &m)
	})
}

func run(b *testing.B, p *Program, recs [][]byte) {
	b.Helper()
	m := p.Runner()
	var row []byte
	measure(b, recs, func(rec []byte) (err error) {
		_, row, err = m.Map(rec, row[:0])
		return err
	})
}

// measure reports bytes of JSON and time for each record.
func measure(b *testing.B, recs [][]byte, f func(rec []byte) error) {
	b.Helper()
	size := 0
	for _, r := range recs {
		size += len(r)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range recs {
			if err := f(r); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(recs)), "ns/record")
}

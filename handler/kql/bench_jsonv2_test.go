//go:build goexperiment.jsonv2

package kql

import (
	"encoding/json/v2"
	"testing"
)

// BenchmarkMapsV2 is BenchmarkMaps with encoding/json/v2, which this Go has as
// an experiment: GOEXPERIMENT=jsonv2 go test -bench .
func BenchmarkMapsV2(b *testing.B) {
	decode(b, func(data []byte, v any) error { return json.Unmarshal(data, v) })
}

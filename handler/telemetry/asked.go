package telemetry

import (
	"cmp"
	"fmt"
	"strings"
)

// asked reports whether the variables ask for a signal, TRACES or METRICS
// (opentelemetry.io, "Environment Variable Specification" and "OTLP Exporter
// Configuration"): what is said of the signal goes before what is said of all. An error
// names what is not known here.
func asked(getenv func(string) string, signal string) (bool, error) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	exporter := getenv("OTEL_" + signal + "_EXPORTER")
	switch exporter {
	case "none":
		return false, nil
	case "", "otlp":
	default:
		return false, fmt.Errorf("OTEL_%s_EXPORTER is %q, want otlp or none", signal, exporter)
	}
	if cmp.Or(exporter, getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT"), getenv("OTEL_EXPORTER_OTLP_ENDPOINT")) == "" {
		return false, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		switch p := getenv(name); p {
		case "":
			continue
		case "http/protobuf":
			return true, nil
		default:
			return false, fmt.Errorf("%s is %q, and Sluice sends http/protobuf: a collector takes that at its port 4318", name, p)
		}
	}
	return true, nil
}

package config

import (
	"reflect"

	"github.com/sluice-connectors/sluice/handler/spec"
)

// Schema returns the JSON Schema (draft 2020-12) of sluice.yaml, for editors.
func Schema() map[string]any {
	return spec.SchemaOf("Sluice configuration", reflect.TypeFor[File]())
}

package app

import "runtime/debug"

// version is set when a release is built.
var version = "dev"

// Release is the version of a release, "" of another binary.
func Release() string {
	if version == "dev" {
		return ""
	}
	return version
}

// Version is the release, or the commit that this binary was built of.
func Version() string {
	if version != "dev" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return "dev-" + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return version
}

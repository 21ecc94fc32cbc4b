package command

import (
	"fmt"
	"runtime/debug"
)

// release is the version of the binary, set by the linker for releases.
var release string

type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the version.
func (c *versionCmd) Run(s *ship) error {
	v := versionText()
	if c.JSON {
		return s.print(map[string]string{"version": v})
	}
	fmt.Fprintln(s.Stdout, "breakwater "+v)
	return nil
}

// versionText is the released version, or the commit that the binary was built from.
func versionText() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return "devel-" + setting.Value[:min(12, len(setting.Value))]
		}
	}
	return "devel"
}

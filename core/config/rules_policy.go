package config

import "github.com/breakwater-ci/breakwater/core"

var policyRules = map[spot]rule{
	at[core.Policy]("version"):         versionRule,
	at[core.Policy]("rules"):           {want: "at least one rule, or leave the key out", ok: hasElement, schema: setMinItems},
	at[core.LineMatch]("services"):     linesRule,
	at[core.LineMatch]("environments"): linesRule,
	at[core.BakeFloor]("min"):          someTime,
	at[core.BakeFloor]("first"):        someTime,
	at[core.BakeFloor]("emergency"):    someTime,
	at[core.FirstWaveFloor]("max"):     shareRule,
	at[core.GrowthFloor]("max"):        growthRule,
	at[core.LargestFloor]("max"):       shareRule,
	at[core.CheckFloor]("require"):     {want: "at least one check, or leave the key out", ok: hasElement, schema: setMinItems},
	at[core.CheckMatch]("name"):        nameRule,
	at[core.DriverFloor]("allow"):      {want: "at least one driver, or leave the key out", ok: hasElement, schema: setMinItems},
}

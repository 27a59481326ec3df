# Lines of each part of the API, from an LCOV file: found, hit, per cent; the guarded ones must reach `least`.
/^SF:/ { part = ""; if (match($0, /app\/src\/[a-z_]+/)) part = substr($0, RSTART + 8, RLENGTH - 8) }
/^LF:/ && part != "" { found[part] += $2 }
/^LH:/ && part != "" { hit[part] += $2 }
END {
  count = split(guarded, names, " ")
  for (i = 1; i <= count; i++) must[names[i]] = 1
  for (part in found) {
    if (found[part] == 0) continue
    share = 100 * hit[part] / found[part]
    all_found += found[part]; all_hit += hit[part]
    note = (part in must) ? sprintf(" (at least %s)", least) : ""
    printf("%-16s %6d lines %6.1f %%%s\n", part, found[part], share, note) | "sort"
    if (part in must) { seen++; if (share < least) low = low " " part }
  }
  close("sort")
  if (all_found) printf "%-16s %6d lines %6.1f %%\n", "all", all_found, 100 * all_hit / all_found
  if (seen < count) { print "coverage: a guarded part is missing from the report"; exit 1 }
  if (low != "") { print "coverage: below " least " %:" low; exit 1 }
}

# A trial without Python: five lines of shell read the parameters and report metrics, in NNI's own file formats.
parameter() { sed -nE "s/.*\"$1\": *\"?([^,}\"]*).*/\1/p" "$NNI_SYS_DIR/parameter.cfg"; }
report() { line="{\"parameter_id\": $(parameter parameter_id), \"trial_job_id\": \"$NNI_TRIAL_JOB_ID\", \"type\": \"$1\", \"sequence\": $2, \"value\": \"$3\"}"; printf 'ME%06d%s\n' $((${#line} + 1)) "$line" >>"$NNI_SYS_DIR/.nni/metrics"; }
distance() { awk "BEGIN { print ($(parameter x) - 3) ^ 2 + $1 }"; }
for step in 0 1 2; do report PERIODICAL $step "$(distance $((3 - step)))"; done
report FINAL 0 "$(distance 0)"

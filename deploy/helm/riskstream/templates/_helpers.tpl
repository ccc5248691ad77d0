{{- define "riskstream.labels" -}}
app.kubernetes.io/name: riskstream
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "riskstream.selector" -}}
app.kubernetes.io/name: riskstream
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "riskstream.fullname" -}}
{{- printf "%s-%s" .root.Release.Name .name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Image of a service or job: .root, .extra, .digest */ -}}
{{- define "riskstream.image" -}}
{{- $repository := printf "%s-%s" .root.Values.image.repository .extra -}}
{{- if .digest }}{{ $repository }}@{{ .digest }}{{ else }}{{ $repository }}:{{ .root.Values.image.tag }}{{ end }}
{{- end }}

{{- /* The groups that must be there, and what each reads, for the lag service: those of services that are on. */ -}}
{{- define "riskstream.groups" -}}
{{- $pairs := list -}}
{{- range $name, $service := .Values.services -}}
{{- if and $service.enabled $service.group -}}
{{- $pairs = append $pairs (printf "%s=%s" $service.group (first $service.consumes)) -}}
{{- if eq $name "profiler" -}}
{{- $pairs = append $pairs (printf "%s-shuffle=transactions.v1" $service.group) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- join "," $pairs -}}
{{- end }}

{{- define "riskstream.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "riskstream.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
capabilities: {drop: [ALL]}
{{- end }}

{{- /*
Replicas that a service needs, by what it does and not by how many there are, so that its own answer does not change the question:
the seconds a second that its micro-batches take, at 60 % of a core each, the most of the last 30 minutes, twice that while one event
in a hundred is older than the deadline; then the next number that shares the partitions evenly.
*/ -}}
{{- define "riskstream.scalingQuery" -}}
{{- $mine := printf "namespace=%q,installation=%q" .root.Release.Namespace .root.Release.Name -}}
{{- $busy := printf "sum(rate(riskstream_%s_batch_seconds_sum{%s}[5m])) / 0.6" .name $mine -}}
{{- $late := printf "histogram_quantile(0.99, sum by (le) (rate(riskstream_%s_event_age_seconds_bucket{%s}[5m]))) > bool %v" .name $mine .scaling.deadline -}}
{{- $need := printf "max_over_time((%s * (1 + (%s)))[30m:1m])" $busy $late -}}
{{- $before := int .scaling.min -}}
{{- $query := printf "%d" $before -}}
{{- $partitions := int .root.Values.kafka.partitions -}}
{{- range $count := untilStep (add1 $before | int) (add1 (int .scaling.max) | int) 1 -}}
{{- if or (eq 0 (mod $partitions $count | int)) (eq $count (int $.scaling.max)) -}}
{{- $query = printf "%s + %d * (%s > bool %d)" $query (sub $count $before | int) $need $before -}}
{{- $before = $count -}}
{{- end -}}
{{- end -}}
{{- $query -}}
{{- end }}

{{- /* What every process needs to reach Kafka, read by all alike: .root, .name of the service, .user where that is another's */ -}}
{{- define "riskstream.kafkaEnv" -}}
{{- if .root.Values.strimzi.enabled }}
{{- $user := printf "%s-%s" .root.Release.Name (default .name .user) }}
- {name: RISKSTREAM_KAFKA_PROTOCOL, value: SASL_SSL}
- {name: RISKSTREAM_KAFKA_MECHANISM, value: SCRAM-SHA-512}
- {name: RISKSTREAM_KAFKA_USERNAME, value: {{ $user }}}
- name: RISKSTREAM_KAFKA_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $user }}, key: password}
{{- else }}
{{- with .root.Values.kafka.existingSecret }}
{{- range $variable, $key := dict "PROTOCOL" "protocol" "MECHANISM" "mechanism" "USERNAME" "username" "PASSWORD" "password" }}
- name: RISKSTREAM_KAFKA_{{ $variable }}
  valueFrom:
    secretKeyRef: {name: {{ $.root.Values.kafka.existingSecret }}, key: {{ $key }}}
{{- end }}
{{- end }}
{{- end }}
{{- if include "riskstream.caSecret" .root }}
- {name: RISKSTREAM_KAFKA_CA, value: /secrets/kafka/ca.crt}
{{- end }}
{{- end }}

{{- /* Where a process sends its traces; nothing where none are recorded. */ -}}
{{- define "riskstream.tracingEnv" -}}
{{- with .Values.tracing }}
{{- if .endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ .ratio | quote }}}
{{- $pairs := list (printf "k8s.namespace.name=%s" $.Release.Namespace) }}
{{- range $key, $value := .resource }}{{ $pairs = append $pairs (printf "%s=%s" $key (urlquery $value | replace "+" "%20")) }}{{ end }}
- {name: OTEL_RESOURCE_ATTRIBUTES, value: {{ join "," $pairs | quote }}}
{{- with .existingSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: headers}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Where scorers keep snapshots; empty where they take none. */ -}}
{{- define "riskstream.snapshots" -}}
{{- if .Values.snapshots.volume }}/snapshots{{ else }}{{ .Values.snapshots.place }}{{ end }}
{{- end }}

{{- /* The Secret that holds ca.crt; empty where there is none. */ -}}
{{- define "riskstream.caSecret" -}}
{{- if .Values.strimzi.enabled }}{{ .Values.strimzi.cluster }}-cluster-ca-cert
{{- else if .Values.kafka.hasCa }}{{ .Values.kafka.existingSecret }}
{{- end }}
{{- end }}

{{- /* Contradictions are told when the chart is rendered. */ -}}
{{- define "riskstream.check" -}}
{{- if not .Values.kafka.bootstrap }}{{ fail "kafka.bootstrap is not set: give the brokers, host:port[,host:port]" }}{{ end }}
{{- range $name, $service := .Values.services }}
{{- if $service.enabled }}
{{- if and $service.isBoundByPartitions (gt (int $service.replicas) (int $.Values.kafka.partitions)) }}
{{- fail (printf "services.%s.replicas is %d, kafka.partitions is %d: a replica without a partition has no work; give at most as many" $name (int $service.replicas) (int $.Values.kafka.partitions)) }}
{{- end }}
{{- if and $service.isBoundByPartitions (gt (int $service.scaling.max) (int $.Values.kafka.partitions)) }}
{{- fail (printf "services.%s.scaling.max is %d, kafka.partitions is %d: give at most as many" $name (int $service.scaling.max) (int $.Values.kafka.partitions)) }}
{{- end }}
{{- if gt (int $service.scaling.min) (int $service.scaling.max) }}
{{- fail (printf "services.%s.scaling.min is above its max" $name) }}
{{- end }}
{{- if and $service.usesRedis (not $.Values.redis.existingSecret) }}
{{- fail (printf "redis.existingSecret is not set, and %s uses Redis: name a Secret whose key %s holds the URL" $name $.Values.redis.key) }}
{{- end }}
{{- if and $service.usesModel (not $.Values.model.volume) }}
{{- fail (printf "model.volume is not set, and %s needs a model: give a volume that holds one" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- include "riskstream.oneSource" (dict "at" "model.volume" "volume" .Values.model.volume) }}
{{- range $name, $service := .Values.services }}
{{- include "riskstream.oneSource" (dict "at" (printf "services.%s.volume" $name) "volume" $service.volume) }}
{{- end }}
{{- range $name, $job := .Values.cronJobs }}
{{- include "riskstream.oneSource" (dict "at" (printf "cronJobs.%s.volume" $name) "volume" $job.volume) }}
{{- end }}
{{- include "riskstream.oneSource" (dict "at" "snapshots.volume" "volume" .Values.snapshots.volume) }}
{{- if and .Values.snapshots.place .Values.snapshots.volume }}
{{- fail "snapshots.place and snapshots.volume are both set: give the bucket or the volume" }}
{{- end }}
{{- if and .Values.snapshots.place .Values.networkPolicy.enabled (not .Values.networkPolicy.snapshots) }}
{{- fail "networkPolicy.snapshots is empty, so that no scorer could reach snapshots.place: say where it is, or set networkPolicy.enabled to false" }}
{{- end }}
{{- if and .Values.kafka.hasCa (not .Values.kafka.existingSecret) }}
{{- fail "kafka.hasCa is set and kafka.existingSecret is not: name the Secret that holds ca.crt" }}
{{- end }}
{{- if and .Values.model.release (not .Values.model.releaseKey) }}
{{- fail "model.release is set and model.releaseKey is not: a release is checked against the signer's public key" }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.kafka) }}
{{- fail "networkPolicy.kafka is empty, so that no service could reach Kafka: say where it is, or set networkPolicy.enabled to false" }}
{{- end }}
{{- if and .Values.tracing.endpoint .Values.networkPolicy.enabled (not .Values.networkPolicy.collector) }}
{{- fail "networkPolicy.collector is empty, so that no trace could reach tracing.endpoint: say where it is, or set networkPolicy.enabled to false" }}
{{- end }}
{{- if and (eq .Values.autoscaling.kind "keda") (not .Values.autoscaling.prometheusAddress) }}
{{- fail "autoscaling.prometheusAddress is not set: KEDA asks Prometheus for the age of events" }}
{{- end }}
{{- if and .Values.strimzi.enabled (eq .Values.autoscaling.kind "keda") (not .Values.kafka.existingSecret) }}
{{- fail "kafka.existingSecret is not set: with Strimzi the services have users of their own, and KEDA reads lag as the one it names" }}
{{- end }}
{{- if and .Values.strimzi.enabled (not .Values.strimzi.cluster) }}
{{- fail "strimzi.cluster is not set: name the Kafka resource that topics and users belong to" }}
{{- end }}
{{- end }}

{{- /* Findings of the policy scanner (checkov) that are meant to be so, each with its reason. */ -}}
{{- define "riskstream.policy" -}}
checkov.io/skip1: CKV_K8S_11=a CPU limit throttles within a period, which is latency; requests share the CPU fairly
checkov.io/skip2: CKV_K8S_43=the tag is pinned, and services.<name>.digest takes a digest
checkov.io/skip3: CKV_K8S_15=a pinned tag or a digest does not change, and a registry that cannot be reached must not stop a restart
checkov.io/skip4: CKV_K8S_35=settings are read from the environment; no process of the image hands it on or prints it
{{- end }}

{{- /* Values of several files are merged: a volume would then have two sources, which Kubernetes refuses. */ -}}
{{- define "riskstream.oneSource" -}}
{{- $sources := keys (omit (default dict .volume) "name") }}
{{- if gt (len $sources) 1 }}
{{- fail (printf "%s has %d sources, %s: a volume has one; set the others to null" .at (len $sources) (join " and " ($sources | sortAlpha))) }}
{{- end }}
{{- end }}

{{- /* A volume of the values, else a folder that goes with the pod. */ -}}
{{- define "riskstream.volume" -}}
{{- if . }}{{ toYaml . }}{{ else }}emptyDir: {}{{ end }}
{{- end }}
